"""The cost of starting a command: which packages `xcat recommend` imports, and that the process ends at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop

NOT_FOR_SERVING = {
    "datasets", "evaluate", "matplotlib", "multiprocess", "pandas", "peft", "polars.testing", "sentence_transformers",
    "transformers.trainer", "transformers.training_args", "xcat_rec.training.trainer",
    "xcat_rec.evaluation.ranker_evaluation",
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    encoder = str(save_text_encoder(tmp_path_factory.mktemp("encoder")))
    prepared = prepare_training(shop(10), PreparationOptions(text_encoder=encoder, config=SMALL))
    prepared.model.save_pretrained(folder)
    prepared.processor.save_pretrained(folder)
    return folder


def test_recommend_imports_no_training(checkpoint):
    code = (
        "import sys; from xcat_rec.cli.app import main\n"
        f"try: main(['recommend', {str(checkpoint)!r}, '--history', 'item-01', '--json'])\n"
        "finally: sys.stderr.write(' '.join(['MODULES', *sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert '"item_id"' in done.stdout, done.stderr
    loaded = set(done.stderr.rpartition("MODULES ")[2].split())
    assert "transformers.modeling_utils" in loaded
    assert not loaded & NOT_FOR_SERVING
