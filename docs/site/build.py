"""Builds the site with mkdocs-material and zensical, strictly, and puts a Markdown twin beside every page.

Run as `python -m xcat_rec.docs.site.build` in an environment with the extra `docs`. A warning of either builder, and
a page that loads something from the network or shows a picture that is not there, is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .pages import ROOT
from .stage import STAGE, write

OUTPUT = {"mkdocs-material": STAGE.parent / "material", "zensical": STAGE.parent / "zensical"}
COMMANDS = {
    "mkdocs-material": ["mkdocs", "build", "--strict", "--site-dir", str(OUTPUT["mkdocs-material"])],
    "zensical": ["zensical", "build", "--strict"],
}
"""`site_dir` of mkdocs.yml is the folder of zensical, which has no option for it."""
_LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"(https?:[^\"]+)\""
    r"|<link[^>]+rel=\"?(?:stylesheet|preload|icon)\"?[^>]+href=\"(https?:[^\"]+)"
)
_PICTURE = re.compile(r"<img[^>]+src=\"?(?!https?:|data:)([^\s\">]+)")


def main() -> int:
    """Build both sites; the exit code is 1 if one has a warning."""
    write()
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    (STAGE.parent / "mkdocs.yml").write_text(settings.replace(".cache/site/", ""), encoding="utf-8")
    faults = 0
    for name, command in COMMANDS.items():
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [str(program), *command[1:]], cwd=STAGE.parent, capture_output=True, text=True,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        )  # fmt: skip
        shown = done.stdout + done.stderr
        warnings = [line for line in shown.splitlines() if re.search(r"warning|error", line, re.IGNORECASE)]
        add_twins(OUTPUT[name])
        foreign = [*loaded_from_network(OUTPUT[name]), *missing_pictures(OUTPUT[name])]
        count = len(list(OUTPUT[name].rglob("*.html")))
        print(f"{name}: {count} pages, {len(warnings)} warnings, exit {done.returncode}")
        print("\n".join([*warnings, *foreign]), file=sys.stderr)
        faults += bool(done.returncode or warnings or foreign)
    return 1 if faults else 0


def add_twins(site: Path) -> None:
    """Copy the Markdown of every page beside its HTML.

    Args:
        site: Folder of a built site.
    """
    for path in STAGE.rglob("*.md"):
        shutil.copyfile(path, site / path.relative_to(STAGE))


def loaded_from_network(site: Path) -> list[str]:
    """Scripts, styles and pictures that a page would load from the network.

    Args:
        site: Folder of a built site.
    """
    found = []
    for path in sorted(site.rglob("*.html")):
        addresses = _LOADED.findall(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site)} loads {''.join(address)}" for address in addresses]
    return found


def missing_pictures(site: Path) -> list[str]:
    """Pictures that a page shows and the site lacks.

    Args:
        site: Folder of a built site.
    """
    found = []
    for path in sorted(site.rglob("*.html")):
        addresses = _PICTURE.findall(path.read_text(encoding="utf-8"))
        missing = [address for address in addresses if not (path.parent / address).is_file()]
        found += [f"{path.relative_to(site)} shows {address}, which is not there" for address in missing]
    return found


if __name__ == "__main__":
    sys.exit(main())
