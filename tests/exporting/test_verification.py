"""Limits on the loss and the speed of converted graphs."""

from __future__ import annotations

import pytest
import torch

from xcat_rec.exporting.verification import check_loss, check_speed, shared_top


def test_a_loss_above_one_per_cent_is_refused() -> None:
    assert check_loss("texts", "int8", 0.2, 0.1985) == pytest.approx(0.0075)
    assert (
        check_loss("texts", "int8", 0.2, 0.21) == pytest.approx(-0.05) and check_loss("texts", "int8", 0.0, 0.0) == 0
    )
    with pytest.raises(
        ValueError, match=r"int8 loses 5\.0% of NDCG@10 in texts \(0\.2000 in float32, 0\.1900 in int8\)"
    ):
        check_loss("texts", "int8", 0.2, 0.19)


def test_int8_that_saves_no_time_is_refused() -> None:
    check_speed("text_encoder", 1.5)
    with pytest.raises(ValueError, match=r"int8 is 1\.20 times as fast as float32 in text_encoder .*1\.5 is required"):
        check_speed("text_encoder", 1.2)


def test_shared_items_of_lists() -> None:
    wanted = torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    assert shared_top(wanted.flip(1), wanted, 2) == 0 and shared_top(wanted.flip(1), wanted, 4) == 1
    assert shared_top(torch.tensor([[4.0, 0.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]), wanted, 2) == 0.75
    ties = torch.tensor([[1.0, 1.0, 0.5]])
    assert shared_top(torch.tensor([[0.9, 1.0, 0.5]]), ties, 1) == 1, "equal scores may be in any order"
