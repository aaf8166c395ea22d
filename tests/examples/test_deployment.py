"""Files of examples/deployment: commands, paths and settings in them are those of the package."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from xcat_rec.cli.app import load_command
from xcat_rec.serving.http.middleware import OPEN_PATHS
from xcat_rec.serving.http.settings import PREFIX, ServeSettings

FOLDER = Path(__file__).parents[2] / "examples" / "deployment"
VARIABLES = {PREFIX + one.name.upper() for one in fields(ServeSettings)}


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def container() -> dict[str, Any]:
    (deployment,) = (one for one in documents() if one["kind"] == "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return {**found, "pod": deployment["spec"]["template"]["spec"]}


def test_every_variable_is_one_of_the_settings() -> None:
    for file in FOLDER.iterdir():
        named = set(re.findall(rf"{PREFIX}[A-Z_]+", file.read_text()))
        assert named <= VARIABLES, file
    assert {one["name"] for one in container()["env"]} <= VARIABLES


def test_probes_ask_paths_without_a_key_and_the_pod_outlives_its_requests() -> None:
    found = container()
    probes = {name: found[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness", "startup")}
    assert probes == {"liveness": "/health/live", "readiness": "/health/ready", "startup": "/health/ready"}
    assert set(probes.values()) == set(OPEN_PATHS)
    waits = int(found["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = next(float(one["value"]) for one in found["env"] if one["name"] == "XCAT_SERVE_DRAIN")
    assert waits + drain < found["pod"]["terminationGracePeriodSeconds"]


def test_the_pod_may_do_little_and_its_mounts_exist() -> None:
    found = container()
    assert found["securityContext"]["readOnlyRootFilesystem"] and found["pod"]["securityContext"]["runAsNonRoot"]
    assert {one["name"] for one in found["volumeMounts"]} == {one["name"] for one in found["pod"]["volumes"]}
    (service,) = (one for one in documents() if one["kind"] == "Service")
    assert service["spec"]["ports"][0]["targetPort"] in {one["name"] for one in found["ports"]}
    written = (FOLDER / "Containerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", written, re.MULTILINE)
    security = found["pod"]["securityContext"]
    assert user is not None and (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))


def test_commands_parse() -> None:
    unit = (FOLDER / "xcat.service").read_text()
    words = re.search(r"^ExecStart=\S+/xcat serve (.+)$", unit, re.MULTILINE)
    assert words is not None
    load_command("serve").make_context("serve", words[1].split())
    written = (FOLDER / "Containerfile").read_text()
    assert 'ENTRYPOINT ["xcat", "serve"]\nCMD ["/checkpoint"]' in written and "-c constraints.txt" in written
    health = re.search(r'CMD \["python", "-c", "(.+)"\]', written)
    assert health is not None
    compile(health[1], "Containerfile", "exec")
