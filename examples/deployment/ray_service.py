"""`xcat serve` on Ray Serve: replicas on the nodes of a cluster, with one store.

    export XCAT_CHECKPOINT=/models/checkpoint XCAT_SERVE_STORE=redis://redis:6379/0
    serve run ray_service:service            # on a cluster, from this folder
    python ray_service.py                    # on this machine alone

Every node must be able to read the checkpoint under its path. All settings of the service are environment variables,
see docs/deploy.md; those of this process are given to the replicas. Address and port are those of Ray Serve.
"""

from __future__ import annotations

import os

from ray import serve

REPLICAS = int(os.environ.get("XCAT_REPLICAS", "2"))
VARIABLES = {name: value for name, value in os.environ.items() if name.startswith("XCAT_")}
"""A replica has the environment of its node, and these."""


def build():
    """The application of one replica, made when the replica starts."""
    from xcat_rec.serving.http import Engine, ServeSettings, create_app

    settings = ServeSettings.from_environment({})
    if settings.store == "memory:":
        raise ValueError("XCAT_SERVE_STORE is memory:, which each replica would have for itself; give redis://HOST/0")
    return create_app(Engine(os.environ["XCAT_CHECKPOINT"], settings))


service = serve.deployment(
    num_replicas=REPLICAS,
    ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": VARIABLES}},
    max_ongoing_requests=64,
    max_queued_requests=64,  # more are refused by Ray Serve with status 503
    graceful_shutdown_timeout_s=20,
    health_check_period_s=5,
)(serve.ingress(build)()).bind()

if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ.get("XCAT_PORT", "8000"))})
    serve.run(service, name="xcat", route_prefix="/", blocking=True)
