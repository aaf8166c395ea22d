"""Settings of every test: one thread per process, no network, and no use of the user's cache."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

# Set before torch, polars or huggingface_hub is imported, for they read it once.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
_caches = tempfile.TemporaryDirectory(prefix="xcat-tests-", ignore_cleanup_errors=True)
os.environ["HF_HOME"] = _caches.name
os.environ["XCAT_CACHE"] = os.path.join(_caches.name, "text-states")
# Else every process that a test starts compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).parents[1]


class _FolderOfTheRepository:
    """Collects the repository as a folder: it is a package, which pytest imports, but a clone may have any name."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Dir | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config: pytest.Config) -> None:
    """Register what a conftest below the repository's root cannot do for the root."""
    config.pluginmanager.register(_FolderOfTheRepository())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without looking for garbage again and again among what stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        _freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """After a file, freeze what it has imported and left: every training looks for garbage among all other objects."""
    try:
        yield
    finally:
        if nextitem is None or nextitem.path != item.path:
            _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def short_reranker_fits() -> Iterator[None]:
    """A tenth of the steps of the re-ranker's fit, which take most of the time of training on the tiny data set.

    Every training still fits and cross-validates it; tests/training/tuning has tests with all steps.
    """
    if "torch" not in sys.modules:  # no test that was collected trains
        yield
        return
    from xcat_rec.training.tuning import reranker

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reranker, "_STEPS", 30)
        yield


@pytest.fixture
def runs_here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of `bench` in this process; tests/cli/test_bench.py has some in processes of their own."""
    from xcat_rec.workflows import bench_models
    from xcat_rec.workflows.bench import run_model
    from xcat_rec.workflows.bench_request import BenchRequest, BenchRun

    def run_here(request: BenchRequest) -> BenchRun:
        return run_model(request, tmp_path_factory.mktemp("run"))

    monkeypatch.setattr(bench_models, "run_in_process", run_here)
