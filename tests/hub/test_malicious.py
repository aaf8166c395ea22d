"""Malicious repositories: each is refused with a message, and nothing in it is built, opened or moved."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from xcat_rec.ranking.recommender import XCatRecommender

from .checkpoints import save_checkpoint
from .conftest import Client
from .repositories import File
from .server import Hub


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def with_setting(content: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(content), **values}).encode()


def test_each_is_refused(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folder, trace = save_checkpoint(tmp_path / "checkpoint"), tmp_path / "trace"
    whole = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    buffer = io.BytesIO()
    torch.save(Trap(trace), buffer)
    no_weights = {name: content for name, content in whole.items() if name != "model.safetensors"}
    adapter = {"peft_type": "LORA", "r": 8, "target_modules": ["q"], "base_model_name_or_path": "eve/whole"}
    described = {"adapter_config.json": json.dumps(adapter).encode()}
    repositories: dict[str, tuple[dict[str, bytes], str]] = {
        "pickled": ({**no_weights, "pytorch_model.bin": buffer.getvalue()}, "has no model.safetensors"),
        "pickled-adapter": ({**described, "adapter_model.bin": buffer.getvalue()}, "no adapter_model.safetensors"),
        "sizes": (
            {**whole, "config.json": with_setting(whole["config.json"], num_item_rows=10**12)}, "1,000,000,000,000",
        ),
        "words": (
            {**whole, "tokenizer_config.json": with_setting(whole["tokenizer_config.json"], vocab_file="/etc/passwd")},
            "vocab_file '/etc/passwd', which is not beside it",
        ),
        "catalogue": ({**whole, "items.arrow": whole["items.arrow"][:500]}, "items.arrow of"),
    }  # fmt: skip
    for name, (files, _) in repositories.items():
        made = hub.store.create("model", f"eve/{name}", "eve")
        made.add_commit("refs/heads/main", {path: File(content) for path, content in files.items()}, "add", "", "eve")
    climbing = hub.store.create("model", "eve/climbing", "eve")
    files = {**whole, "../../planted.json": b"{}", "deep/../../../planted.json": b"{}"}
    climbing.add_commit("refs/heads/main", {path: File(content) for path, content in files.items()}, "add", "", "eve")
    use = ["--history", "item-03", "--json"]
    told = alice.commands(*(["recommend", f"eve/{name}", *use] for name in (*repositories, "climbing")))
    for (name, (_, words)), said in zip(repositories.items(), told[:-1], strict=True):
        assert said.code == 2 and name in said.err and words in said.err, (name, said.err)
    assert told[-1].code in (0, 2), told[-1].err  # without the files that lead outside, or not at all
    assert not trace.exists() and not list(tmp_path.rglob("planted.json")) and not list(alice.home.rglob("*.bin"))


def test_code_of_a_tokenizer_is_not_offered_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, trace = save_checkpoint(tmp_path / "checkpoint"), tmp_path / "trace"
    settings = folder / "tokenizer_config.json"
    own = {"tokenizer_class": "Trap", "auto_map": {"AutoTokenizer": [None, "trap.Trap"]}}
    settings.write_bytes(with_setting(settings.read_bytes(), **own))
    (folder / "trap.py").write_text(f"from pathlib import Path\n\nPath({str(trace)!r}).touch()\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(ValueError, match="trust_remote_code"):
        XCatRecommender.from_pretrained(folder)
    assert not trace.exists()
