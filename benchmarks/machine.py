"""Ceilings of this machine, to compare measurements with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def wait_for_device() -> None:
    """Wait until a GPU has done what it was given, if there is one in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def best_seconds(run: Callable[[], Any], repeats: int = 5) -> float:
    """Shortest of several runs, after a warm-up run."""
    run()
    times = []
    for _ in range(repeats):
        wait_for_device()
        start = time.perf_counter()
        run()
        wait_for_device()
        times.append(time.perf_counter() - start)
    return min(times)


def product_gflops(m: int, k: int, n: int, dtype: torch.dtype, device: str = "cpu") -> float:
    """Measured speed in GFLOP/s of an (m, k) by (k, n) product and its two gradients, into memory that is reused."""
    left, right = torch.randn(m, k).to(device, dtype), torch.randn(k, n).to(device, dtype)
    out, to_left, to_right = torch.empty(m, n).to(left), torch.empty_like(left), torch.empty_like(right)

    def products() -> None:
        torch.mm(left, right, out=out)
        torch.mm(out, right.T, out=to_left)
        torch.mm(left.T, out, out=to_right)

    return 3 * 2 * m * k * n / best_seconds(products) / 1e9


def copy_gigabytes(megabytes: int = 256) -> float:
    """Measured memory bandwidth of a copy (bytes read plus bytes written), in GB/s."""
    source = torch.ones(megabytes * 2**18)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / best_seconds(lambda: target.copy_(source)) / 1e9


def machine_line(device: str = "cpu") -> str:
    """One line for tables: GPU or processor with its capability and threads, torch."""
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    name = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), "unknown CPU")
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name}, {capability}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.is_file() else []


def run_peer(python: str | None, script: str, *arguments: str) -> dict[str, Any] | None:
    """Run a script of `peers/` with another Python; None without one, or if it lacks the peer's package."""
    file = Path(__file__).parent / "peers" / script
    if python is None:
        return None
    done = subprocess.run([python, str(file), *arguments], capture_output=True, text=True, check=False)
    if done.returncode and "ModuleNotFoundError" in done.stderr:
        print(f"{script} skipped: {done.stderr.splitlines()[-1]}", file=sys.stderr)
        return None
    if done.returncode:
        raise RuntimeError(f"{script} failed with {python}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
