"""Start the service and let schemathesis ask it: cases of every route, none of which may be an error of the service.

    python benchmarks/service_fuzz.py CKPT --cases 10000 --schemathesis .venv-fuzz/bin/st

schemathesis is installed in an environment of its own (`pip install schemathesis`). The checks are those of
schemathesis but two: `positive_data_acceptance`, because rules between fields (`user_id` or `history`) are not in the
schema, and `negative_data_rejection`, which does not know status 413. After the run the metric series are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "missing_required_header", "unsupported_method", "allow_header_conformance",
    "use_after_free", "ensure_resource_availability", "ignored_auth",
)  # fmt: skip
MOST_SERIES = 300
"""Metric series that are allowed."""


def fuzz(url: str, schemathesis: str, cases: int, seed: int, folder: Path) -> dict[str, object]:
    """Run schemathesis with more and more examples per route until there are enough cases; returns its counts."""
    found: dict[str, object] = {"cases": 0, "failures": {}, "runs": 0}
    # Its own environment, and no variables of ours in it.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    while int(str(found["cases"])) < cases:
        number = int(str(found["runs"])) + 1
        place = folder / f"run-{number}"
        command = [schemathesis, "run", f"{url}/openapi.json", "--phases", "examples,coverage,fuzzing", "--checks"]
        command += [",".join(CHECKS), "--max-examples", "100", "--seed", str(seed + number), "--continue-on-failure"]
        command += ["--generation-database", "none", "--report", "json", "--report-dir", str(place)]
        subprocess.run(command, env=own, cwd=folder, check=False, stdout=sys.stderr)
        (file,) = place.glob("json-*.json")
        report = json.loads(file.read_text())
        failures = {f"{one['code']} {one['title']}": one["operations"] for one in report["failures"]}
        found = {
            "cases": int(str(found["cases"])) + report["test_cases"]["generated"],
            "failures": {**dict(found["failures"]), **failures},  # type: ignore[call-overload]
            "runs": number,
        }
    return found


def main() -> None:
    """Start the service, ask it, and print one JSON object; the exit code is 1 after a failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--schemathesis", default="st", help="its command")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "xcat_rec.cli", "serve", options.checkpoint, "--port", "0", "--json"]
        command += ["--store", f"sqlite:///{folder}/state.db"]
        # Checkpoints of made-up names are looked up on the hub, which is not what is measured.
        with open(f"{folder}/log", "w") as log:
            server = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
            )
        assert server.stdout is not None
        try:
            url = json.loads(server.stdout.readline())["url"]
            found = fuzz(url, options.schemathesis, options.cases, options.seed, Path(folder))
            with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
                lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        finally:
            server.terminate()
            server.wait()
    counted = [line for line in lines if line.startswith("xcat_requests_total")]
    requests = sum(float(line.rsplit(" ", 1)[1]) for line in counted)
    errors = sum(float(line.rsplit(" ", 1)[1]) for line in counted if 'status="5xx"' in line)
    found |= {"requests": int(requests), "server_errors": int(errors), "series": len(lines)}
    print(json.dumps(found))
    sys.exit(bool(found["failures"]) or errors > 0 or len(lines) > MOST_SERIES)


if __name__ == "__main__":
    main()
