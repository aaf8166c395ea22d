"""Batch recommendation on a Ray cluster: two nodes on this machine, the same rows as in one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_locally
from xcat_rec.serving.ray_engine import recommend_with_ray
from xcat_rec.tokenization.sequences.histories import Histories

from ..ray_cluster import two_nodes
from .test_batch import save_checkpoint, write_users

try:
    import ray
except ImportError:
    ray = None
needs_ray = pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'xcat-rec[ray]'")
# Every actor imports torch and transformers again, so each of these takes about 10 seconds.
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("ray"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with two_nodes():
        yield


def same(found: pa.Table, expected: pa.Table) -> bool:
    assert found["score"].to_pylist() == pytest.approx(expected["score"].to_pylist(), abs=1e-5)
    return bool(found.drop_columns("score").equals(expected.drop_columns("score")))


@slow
@needs_ray
def test_two_nodes_give_the_rows_of_one_process(checkpoint, cluster, tmp_path, capsys):
    users = write_users(tmp_path / "users.csv", users=60)
    files = {engine: tmp_path / f"{engine}.parquet" for engine in ("local", "ray")}
    for engine, file in files.items():
        with pytest.raises(SystemExit) as stop:
            main([
                "recommend", str(checkpoint), "--users", str(users), "-k", "5", "--cross-category", "--engine", engine,
                "--output", str(file), "--json",
            ])  # fmt: skip
        shown = capsys.readouterr()
        assert not stop.value.code, shown.err
        assert '"num_users": 60' in shown.out.splitlines()[-1]
    assert same(pq.read_table(files["ray"]), pq.read_table(files["local"]))
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    assert ray.is_initialized()  # a connection that was there stays


@slow
@needs_ray
def test_blocks_come_back_in_order(checkpoint, cluster):
    """Five blocks on two actors, the first of them the longest, so that it is not the first to be done."""
    long = [[f"item-{i % 39:02d}" for i in range(n)] for n in (8, 3)]
    histories = histories_table(Histories([f"u{i}" for i in range(1100)], [long[i >= 256] for i in range(1100)]))
    request = BatchRequest(k=3, filters=Filters(exclude_categories=("maps",)))
    found = pa.concat_tables(recommend_with_ray(str(checkpoint), histories, request))
    assert found["position"].to_pylist() == [i for i in range(1100) for _ in range(3)]
    assert same(found, pa.concat_tables(recommend_locally(str(checkpoint), histories, request)))


@slow
@needs_ray
def test_bad_input_gives_the_same_error_in_both_engines(checkpoint, cluster):
    histories = histories_table(Histories(["a", "b"], [["item-03"], ["kite"]]))
    with pytest.raises(ValueError, match="histories: 1 of 2 users has no item of the catalogue"):
        list(recommend_with_ray(str(checkpoint), histories, BatchRequest(on_unknown="error"), actors=1))
    found = pa.concat_tables(recommend_with_ray(str(checkpoint), histories, BatchRequest(1), actors=1))
    assert found["basis"].to_pylist() == ["history", "popular"]
    with pytest.raises(ValueError, match=r"^'kites' is not a category"):
        request = BatchRequest(filters=Filters(only_categories=("kites",)))
        list(recommend_with_ray(str(checkpoint), histories, request, actors=1))
    with pytest.raises(ValueError, match="actors is 3 and the Ray cluster has 2 CPUs; give actors=2 or fewer"):
        list(recommend_with_ray(str(checkpoint), histories, BatchRequest(), actors=3))
    with pytest.raises(ValueError, match="actors is 0"):
        list(recommend_with_ray(str(checkpoint), histories, BatchRequest(), actors=0))


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    users = write_users(tmp_path / "users.csv")
    with pytest.raises(SystemExit) as stop:
        main(
            ["recommend", "nowhere", "--users", str(users), "--engine", "ray", "--output", str(tmp_path / "f.parquet")]
        )
    assert stop.value.code == 2 and "[ray]" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["users.csv"]
