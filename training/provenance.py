"""Machine, versions and commit of a measurement."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent


def describe_machine(precision: str) -> dict[str, Any]:
    """Processor, its capability, number of threads, and precision.

    Args:
        precision: Precision of the run: fp32 or bf16.
    """
    import torch

    return {
        "cpu": cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "precision": precision,
    }


def cpu_name(table: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, or its architecture if the system does not report the name."""
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed_versions() -> dict[str, str]:
    """Versions of the packages that affect metrics."""
    import torch
    import transformers

    from .. import __version__

    return {
        "xcat_rec": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def source_commit(folder: Path = PACKAGE) -> str | None:
    """The git commit of the package's checkout, with `-dirty` if files differ from it; else None.

    Args:
        folder: The package's folder. A parent folder with a checkout is not enough, because a virtual environment
            can be in one too: the commit must contain the package's `__init__.py`.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of git, or None if git is missing or fails; nothing is written, not even git's index."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def describe_hardware() -> str:
    """The machine in one line: processor and its capability, cores, memory, GPUs.

    The capability is included because precision and speed depend on it most.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{platform.machine()} CPU with {torch.backends.cpu.get_cpu_capability()}", f"{cores} cores"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB of memory")
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        parts.append(f"{count} x {torch.cuda.get_device_name(0)}")
    return ", ".join(parts)


PACKAGES = ("xcat-rec", "transformers", "torch", "accelerate", "datasets", "tokenizers", "peft")


def package_versions() -> dict[str, str]:
    """Package name to installed version, Python first."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
