"""The description of a folder of graphs, and its checksums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xcat_rec.exporting.manifest import FORMAT, Manifest, file_digest


def saved(folder: Path, **changes: Any) -> Manifest:
    (folder / "scores.onnx").write_bytes(b"a graph")
    values: dict[str, Any] = {
        "format": FORMAT, "version": "0.1.0", "dtype": "fp32", "model": "m", "catalogue": "c", "num_items": 3,
        "max_history": 50, "graphs": {"scores": {"file": "scores.onnx"}},
        "files": {"scores.onnx": file_digest(folder / "scores.onnx")}, "checks": {},
    }  # fmt: skip
    manifest = Manifest(**{**values, **changes})
    manifest.save(folder)
    return manifest


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    assert saved(tmp_path) == Manifest.load(tmp_path)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"has no manifest\.json, so it is not a folder of ONNX graphs; write it with"):
        Manifest.load(tmp_path)
    saved(tmp_path, format=99)
    with pytest.raises(ValueError, match="has format 99, and this version reads 1; export again"):
        Manifest.load(tmp_path)
    saved(tmp_path)
    (tmp_path / "scores.onnx").write_bytes(b"b graph")
    with pytest.raises(ValueError, match=r"scores\.onnx is damaged: its SHA-256 is not that of the manifest"):
        Manifest.load(tmp_path)
    (tmp_path / "scores.onnx").unlink()
    with pytest.raises(OSError, match=r"has no scores\.onnx, which its .*\.json names; export again"):
        Manifest.load(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    del content["graphs"]
    for text in (json.dumps(content), "{", "[" * 100_000, "[]", json.dumps({**content, "graphs": {}, "files": []})):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            Manifest.load(tmp_path)
