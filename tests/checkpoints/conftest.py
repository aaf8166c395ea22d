"""A whole checkpoint, to be copied and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checkpoint")
    encoder = save_text_encoder(place / "encoder")
    made = prepare_training(shop(10), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    made.model.save_pretrained(place / "whole")
    made.processor.save_pretrained(place / "whole")
    return place / "whole"
