"""Hidden folders of work: those of killed processes are removed, those in use are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from xcat_rec.workflows.working_folders import working_folder

CODE = (
    "import sys, pathlib, time; from xcat_rec.workflows.working_folders import working_folder\n"
    "with working_folder(pathlib.Path(sys.argv[1]), '.work-') as folder:\n"
    "    (folder / 'part').write_text('x'); print(folder.name, flush=True); time.sleep(600)\n"
)


def test_only_folders_of_ended_processes_are_removed(tmp_path: Path) -> None:
    other, link = tmp_path / "kept", tmp_path / ".work-link"
    other.mkdir()
    link.symlink_to(other)
    (tmp_path / ".work-file").write_text("x")
    running = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    used = running.stdout.readline().strip()
    try:
        with working_folder(tmp_path, ".work-") as own:
            assert {one.name for one in tmp_path.iterdir()} == {"kept", ".work-link", ".work-file", used, own.name}
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        running.stdout.close()
    assert (tmp_path / used / "part").is_file(), "a killed process leaves its folder"
    with working_folder(tmp_path, ".work-") as own:
        assert {one.name for one in tmp_path.iterdir()} == {"kept", ".work-link", ".work-file", own.name}
    assert {one.name for one in tmp_path.iterdir()} == {"kept", ".work-link", ".work-file"}
