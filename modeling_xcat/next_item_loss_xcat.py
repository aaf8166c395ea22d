"""The loss of next-item prediction: labelled events against the catalogue or a sample of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from .cloze_xcat import ClozeBatch
from .configuration_xcat import NUM_SPECIAL_ROWS
from .fairness_xcat import FairnessTerms
from .layout_xcat import SequenceLayout
from .negatives_xcat import sample_candidates
from .objectives_xcat import LabelledEvents, build_objective
from .outputs_xcat import XCatModelOutput
from .pretrained_xcat import XCatPreTrainedModel
from .recent_events_xcat import RecentEvents
from .scoring_xcat import XCatScoring


class Candidates(NamedTuple):
    """Items of a training step, each represented once, for histories and candidates.

    Args:
        rows: (candidates,) sorted item indices.
        log_inclusion: (candidates,) log sampling probability of each; None for the whole catalogue.
        items: (candidates, hidden) their representations.
        embeds: (rows, length, hidden) representations of the histories.
    """

    rows: torch.Tensor
    log_inclusion: torch.Tensor | None
    items: torch.Tensor
    embeds: torch.Tensor


class XCatNextItemLoss(XCatPreTrainedModel):
    """Candidates, smoothed labels and loss of a training step; `XCatForNextItem` makes the model.

    Attributes:
        model: The model that computes states and scores.
        soft_target_rows: (item rows, K) indices of the items nearest in text.
        share_negatives: Whether all processes draw the same candidates; all have to take part.
        keep_texts: Whether a step over the whole catalogue reuses texts projected in an earlier step, except for texts
            of this step, until `model.items.kept_texts` is dropped.
        fairness: Terms of the objective against bias, in training only; None for none. Not saved.
    """

    model: XCatScoring
    soft_target_rows: torch.Tensor
    share_negatives: bool = False
    keep_texts: bool = False
    fairness: FairnessTerms | None = None

    @property
    def _has_soft_targets(self) -> bool:
        config = self.config
        return config.use_text and config.soft_target_weight > 0 and config.uses_full_softmax

    def _loss(
        self,
        item_ids: torch.Tensor,
        labels: torch.Tensor,
        loss_weights: torch.Tensor | None,
        num_items_in_batch: torch.Tensor | int | None,
        inputs: dict[str, Any],
    ) -> tuple[torch.Tensor, XCatModelOutput]:
        if self.config.has_masks:
            return self._cloze_loss(item_ids, labels, loss_weights, num_items_in_batch, inputs)
        candidates = self._candidates(item_ids, labels[labels >= NUM_SPECIAL_ROWS])
        return self._next_item_loss(candidates, item_ids, labels, loss_weights, num_items_in_batch, inputs)

    def _next_item_loss(
        self,
        candidates: Candidates,
        item_ids: torch.Tensor,
        labels: torch.Tensor,
        loss_weights: torch.Tensor | None,
        num_items_in_batch: torch.Tensor | int | None,
        inputs: dict[str, Any],
    ) -> tuple[torch.Tensor, XCatModelOutput]:
        """The loss of labelled events among candidates, and the output with the states of the histories."""
        rows, log_inclusion, items, embeds = candidates
        known = labels.flatten() >= NUM_SPECIAL_ROWS
        targets = labels.flatten()[known]
        layout = SequenceLayout.from_inputs(item_ids, inputs["attention_mask"], inputs["position_ids"])
        places = known.nonzero().squeeze(1)
        recent = self.model.recent_events(item_ids, layout, places, inputs.get("event_type_ids"))
        output = self.model(item_ids, item_embeds=embeds, **inputs)
        states = self.model.query_side(output.last_hidden_state.flatten(0, 1)[known].float())
        soft_targets = bonus_items = bonus = None
        if self._has_soft_targets:
            soft_targets = self._soft_targets(targets, recent) - NUM_SPECIAL_ROWS
        if self.model.repeats is not None:
            bonus_items = torch.searchsorted(rows, recent.items).clamp(max=len(rows) - 1)
            bonus = self.model.repeats.values(recent).float() * (rows[bonus_items] == recent.items)
        events = LabelledEvents(
            states,
            items.float(),
            torch.searchsorted(rows, targets),
            self.model.item_side,
            weights=None if loss_weights is None else loss_weights.flatten()[known],
            soft_targets=soft_targets,
            log_inclusion=log_inclusion,
            bonus_items=bonus_items,
            bonus=bonus,
        )
        total = self._summed(events, rows)
        count = torch.as_tensor(known.sum() if num_items_in_batch is None else num_items_in_batch)
        return total / count.clamp(min=1), output

    def _cloze_loss(
        self,
        item_ids: torch.Tensor,
        labels: torch.Tensor,
        loss_weights: torch.Tensor | None,
        num_items_in_batch: torch.Tensor | int | None,
        inputs: dict[str, Any],
    ) -> tuple[torch.Tensor, XCatModelOutput]:
        """The loss of events behind masks, as a mean over the masks: few of the labels of a step are masked."""
        layout = SequenceLayout.from_inputs(item_ids, inputs["attention_mask"], inputs["position_ids"])
        batch = ClozeBatch.draw(
            item_ids, labels, layout, self.config.max_history, float(self.config.mask_probability)
        )  # fmt: skip
        rows, _, items, embeds = self._candidates(batch.item_ids, batch.targets)
        output = self.model(**batch.inputs(inputs), item_embeds=embeds)
        states = self.model.query_side(output.last_hidden_state[batch.masked].float())
        weights = None if loss_weights is None else batch.slots.of_labels(loss_weights, 0)[batch.masked]
        targets = torch.searchsorted(rows, batch.targets)
        events = LabelledEvents(states, items.float(), targets, self.model.item_side, weights=weights)
        total = self._summed(events, rows) / max(1, len(targets))
        known = (labels >= NUM_SPECIAL_ROWS).sum()
        count = torch.as_tensor(known if num_items_in_batch is None else num_items_in_batch)
        return total * (known / count.clamp(min=1)), output

    def _summed(self, events: LabelledEvents, rows: torch.Tensor) -> torch.Tensor:
        """The summed loss of events among (candidates,) item indices, with the terms against bias in training."""
        objective = build_objective(self.config)
        if self.fairness is None or not self.training:
            return objective.loss(events)
        return self.fairness.loss(objective.loss, events, rows)

    def _candidates(self, item_ids: torch.Tensor, targets: torch.Tensor) -> Candidates:
        """Represent each needed item once, for histories and candidates.

        Args:
            item_ids: (rows, length) item indices of the histories.
            targets: (events,) item indices of the targets.
        """
        if self.config.uses_full_softmax:
            keeps = self.keep_texts and self.training
            table = self.model.items(learning=torch.cat([item_ids.flatten(), targets]) if keeps else None)
            rows = torch.arange(NUM_SPECIAL_ROWS, len(table), device=targets.device)
            embeds = table.index_select(0, item_ids.flatten())
            return Candidates(rows, None, table[NUM_SPECIAL_ROWS:], embeds.view(*item_ids.shape, -1))
        rows, log_inclusion = sample_candidates(
            targets,
            self.model.items.item_counts,
            self.config.num_negatives,
            NUM_SPECIAL_ROWS,
            shared=self.share_negatives and self.training,
            exponent=float(self.config.negatives_exponent),
        )
        return self._with_items(rows, log_inclusion, item_ids)

    def _with_items(self, rows: torch.Tensor, log_inclusion: torch.Tensor, item_ids: torch.Tensor) -> Candidates:
        """Sampled candidates with the representations of their items and of those of (rows, length) histories."""
        needed, inverse = torch.unique(torch.cat([rows, item_ids.flatten()]), return_inverse=True)
        table = self.model.items(needed)
        embeds = table[inverse[len(rows) :]].view(*item_ids.shape, -1)
        return Candidates(rows, log_inclusion, table[inverse[: len(rows)]], embeds)

    def _soft_targets(self, targets: torch.Tensor, recent: RecentEvents) -> torch.Tensor:
        """(events, K) item indices near the (events,) targets in text; the target itself if the user has had the item.

        Also the target if there are none, as in a head over the weights of a bare `XCatModel`.
        """
        rows = self.soft_target_rows[targets].long()
        had = (recent.items[:, :, None] == rows[:, None, :]).any(1)
        return torch.where(had | (rows < NUM_SPECIAL_ROWS), targets[:, None], rows)

    @torch.no_grad()
    def target_losses(
        self, states: torch.Tensor, recent: RecentEvents, targets: torch.Tensor, item_side: torch.Tensor
    ) -> torch.Tensor:
        """The training loss of several targets per state, for evaluation, with one normaliser per state.

        A sampled objective is computed over the whole catalogue here, so its loss does not depend on sampling.

        Args:
            states: (queries, hidden) behaviour states.
            recent: The events before them.
            targets: (queries, targets) item indices; below the first item for no target or an unknown one.
            item_side: (item rows, hidden) result of `XCatModel.item_side` over the whole table.

        Returns:
            (queries, targets) float32 losses in nats, before any weights; NaN without a target.
        """
        config = self.config
        scores = self.model.trained_stage(states, recent).scores(item_side)
        known = targets >= NUM_SPECIAL_ROWS
        rows = targets.clamp(min=NUM_SPECIAL_ROWS)
        wanted = scores.gather(1, rows)
        if self._has_soft_targets:
            near = [self._soft_targets(column, recent) for column in rows.unbind(1)]
            shared = [scores.gather(1, part).mean(1) for part in near]
            share = float(config.soft_target_weight)
            wanted = (1 - share) * wanted + share * torch.stack(shared, dim=1)
        losses = build_objective(config).evaluation_losses(scores, wanted)
        masked: torch.Tensor = losses.masked_fill(~known, torch.nan)
        return masked
