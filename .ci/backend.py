"""Build backend of the distribution: setuptools, whose wheels become reproducible and get a list of dependencies.

Two builds of one tree give the same bytes: files are in the order of their names, with one date and two modes. The
list is `*.dist-info/sboms/xcat-rec.cdx.json` (PEP 770), in the format CycloneDX 1.6. It has every direct dependency,
with the version that constraints.txt pins; wheels contain no code of others.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can have."""


def build_wheel(
    wheel_directory: str, config_settings: dict[str, str] | None = None, metadata_directory: str | None = None
) -> str:
    """Let setuptools build a wheel, and write it again with a list of dependencies, in an order of its own."""
    name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    path = Path(wheel_directory) / name
    with zipfile.ZipFile(path) as wheel:
        files = {file: wheel.read(file) for file in wheel.namelist() if not file.endswith("/")}
    record = next(file for file in files if file.endswith(".dist-info/RECORD"))
    folder = record.rpartition("/")[0]
    del files[record]
    metadata = Parser().parsestr(files[f"{folder}/METADATA"].decode())
    files[f"{folder}/sboms/xcat-rec.cdx.json"] = sbom(metadata, pins(CONSTRAINTS.read_text("utf-8")))
    lines = [f"{file},sha256={digest(files[file])},{len(files[file])}" for file in sorted(files)]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for file in [*sorted(set(files) - {record}), record]:
            entry = zipfile.ZipInfo(file, FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100644) << 16
            entry.create_system = 3  # Unix, wherever it is built
            wheel.writestr(entry, files[file])
    return name


def digest(data: bytes) -> str:
    """SHA-256 as RECORD has it: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def pins(constraints: str) -> dict[str, str]:
    """Normalised name to version, from lines `name==version`."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", constraints, re.MULTILINE)
    return {normalised(name): version for name, version in found}


def normalised(name: str) -> str:
    """The name of a package as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sbom(metadata: Message, versions: dict[str, str]) -> bytes:
    """The direct dependencies of a wheel in CycloneDX 1.6, without date and serial number, so that it is reproducible.

    Dependencies of extras have the scope `optional`. A version is that of `versions`, the resolve that was tested.
    """
    scopes: dict[str, str] = {}
    for line in metadata.get_all("Requires-Dist") or []:
        found = re.match(r"[A-Za-z0-9._-]+", line)
        assert found, line
        name = normalised(found[0])
        if scopes.get(name) != "required":
            scopes[name] = "optional" if "extra ==" in line else "required"
    components = []
    for name, scope in sorted(scopes.items()):
        version = versions.get(name)
        purl = f"pkg:pypi/{name}" + (f"@{version}" if version else "")
        component = {"type": "library", "bom-ref": purl, "name": name, "scope": scope, "purl": purl}
        components.append(component | ({"version": version} if version else {}))
    own = f"pkg:pypi/{normalised(metadata['Name'])}@{metadata['Version']}"
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": metadata["Name"],
                "version": metadata["Version"],
                "purl": own,
                "licenses": [{"license": {"id": metadata["License-Expression"]}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    return json.dumps(bom, indent=1).encode() + b"\n"
