"""Rankings by models of users and items, such as NeuMF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..modeling_baselines.click_model import ClickModel
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS

_PAIRS_AT_ONCE = 1 << 17


class UserRanker:
    """Ranks the whole catalogue with a click model that reads the user, and neither history nor context.

    A user without training events has row 0. `UserItemTask` trains row 0 with a share of all users, so such users get
    one list: the items that users have in general.

    Args:
        model: The model, such as `NeuMFModel`.
        users: Row of each user with training events, from 1.
    """

    def __init__(self, model: ClickModel, users: Mapping[str, int]) -> None:
        self.model, self.users = model.eval(), users

    @property
    def config(self) -> Any:
        """Configuration of the model."""
        return self.model.config

    @torch.no_grad()
    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """Score the catalogue for the users of rows.

        Args:
            rows: Rows of a validation or test dataset, with `user_id`.

        Returns:
            (users, rows of the item table) log odds; the special rows have `-inf`.
        """
        size = self.config.num_item_rows
        known = torch.tensor([self.users.get(row["user_id"], 0) for row in rows], dtype=torch.long)
        items = torch.arange(NUM_SPECIAL_ROWS, size)
        scores = torch.full((len(rows), size), -torch.inf)
        for part in torch.arange(len(rows)).split(max(1, _PAIRS_AT_ONCE // max(1, len(items)))):
            histories, shape = torch.zeros(len(part), 0, dtype=torch.long), (len(part), len(items))
            inputs = {
                "item_ids": histories,
                "user_ids": known[part],
                "category_ids": histories,
                "rating_ids": histories,
            }
            candidates, none = items.expand(shape), torch.zeros(shape, dtype=torch.long)
            scores[part, NUM_SPECIAL_ROWS:] = self.model.score_candidates(candidates, none, **inputs)
        return scores
