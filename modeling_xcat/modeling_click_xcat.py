"""XCatForClickPrediction: the probability that a user clicks, or buys, a shown item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.utils import can_return_tuple

from .calibration_xcat import ClickCalibration
from .click_stack_xcat import XCatClickStack
from .click_xcat import ShownItems, ShownStates, XCatClickHead, pairwise_loss
from .configuration_xcat import XCatConfig
from .items_xcat import SomeItems
from .layout_xcat import SequenceLayout
from .modeling_xcat import XCatForNextItem
from .outputs_xcat import XCatClickOutput
from .recent_events_xcat import RecentEvents
from .reranker_xcat import CandidateFeatures
from .signature_xcat import names_inputs

_SHOWINGS_AT_ONCE = 4096
_ALIGNED = 64
"""Bytes that the address of a new tensor is a multiple of."""
_HAD = 0.2
"""Units of cosine that having had an item counts in the features."""


@dataclass(frozen=True)
class _Read:
    """Values of showings beside the inputs of the head.

    Args:
        recent: The events before each showing; none at one without a history.
        states: (showings, hidden) behaviour states before them, 0 without a history.
        sides: Item embeddings of the items of the batch.
    """

    recent: RecentEvents
    states: torch.Tensor
    sides: SomeItems


class XCatForClickPrediction(XCatForNextItem):
    """XCatForNextItem that also predicts clicks on shown items.

    One trunk is trained for both: the loss is the binary cross-entropy of the showings, plus `next_item_weight` times
    the loss of next-item prediction. All methods of `XCatForNextItem` work as before.

    In evaluation mode log odds are calibrated: the evidence of `click_stack` is added, if `click_attention` of the
    configuration is set, and then `calibration` is applied.

    Attributes:
        click: The head.
        click_stack: Evidence that is fitted after training, or None for a model without a re-ranker.
        calibration: Calibration, fitted after training.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.click = XCatClickHead(config)
        self.click_stack = XCatClickStack(config) if config.num_candidates else None
        self.calibration = ClickCalibration()
        self.post_init()
        self.model.text.freeze()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in `XCatPreTrainedModel`; weights are placed in memory as new ones, so log odds are equal bit for bit.

        A file of weights is mapped into memory, where a tensor may start at any address, and the order of a sum in a
        matrix product depends on it.
        """
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNED:
                tensor.data = tensor.data.clone()
        return loaded

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, XCatClickHead):
            init.normal_(module.null_value, std=self.config.initializer_range)
            init.zeros_(module.null_logit)
        elif isinstance(module, XCatClickStack):
            init.ones_(module.slope)
            init.zeros_(module.intercept)
        elif isinstance(module, ClickCalibration):
            for name, value in ClickCalibration().named_buffers():
                init.copy_(getattr(module, name), value)

    @names_inputs(XCatForNextItem.forward)
    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        click_positions: torch.Tensor | None = None,
        click_items: torch.Tensor | None = None,
        click_labels: torch.Tensor | None = None,
        click_dense: torch.Tensor | None = None,
        click_categorical: torch.Tensor | None = None,
        click_counts: torch.Tensor | None = None,
        calibrated: bool | None = None,
        **inputs: Any,
    ) -> Any:
        """Compute log odds of clicks and their loss; without `click_items` as `XCatForNextItem.forward`.

        Args:
            item_ids: (rows, length) item indices.
            attention_mask: (rows, length) 0 where there is no event.
            position_ids: (rows, length) positions within each history.
            labels: (rows, length) index of the item after each event, -100 for no label.
            num_items_in_batch: As in `XCatForNextItem.forward`; the loss of clicks counts for its share of the labels.
            click_positions: (showings,) position in the flattened rows of the last event before each showing; -1 for
                an empty history. An event after it has no influence.
            click_items: (showings,) indices of the shown items.
            click_labels: (showings,) 1 for a click, 0 for none.
            click_dense: (showings, features) numbers of the context, each of mean 0 and variance 1.
            click_categorical: (showings, features) codes of the context; 0 for none.
            click_counts: (showings,) training events of each item before its showing; None for all training events,
                in training without the showing's own.
            calibrated: Whether log odds are calibrated; None for whether the model is in evaluation mode and no labels
                of clicks are given.
            **inputs: More inputs of `XCatForNextItem.forward`.

        Returns:
            Loss and log odds.

        Raises:
            ValueError: If a context feature is missing or has another number of columns.
        """
        inputs |= {"attention_mask": attention_mask, "position_ids": position_ids}
        further = {"labels": labels, "num_items_in_batch": num_items_in_batch}
        if click_items is None or click_positions is None:
            return super().forward(item_ids, **further, **inputs)
        click_dense, click_categorical = self._context(click_items, click_dense, click_categorical)
        follows = labels is not None and self.config.next_item_weight > 0
        output = super().forward(item_ids, **{**inputs, **(further if follows else {}), "return_dict": True})
        layout = SequenceLayout.from_inputs(item_ids, attention_mask, position_ids)
        shown = ShownItems.of(click_items, click_positions, layout)
        found, read = self._represented(
            output.last_hidden_state, item_ids, layout, click_positions, click_items, inputs.get("event_type_ids"),
            click_labels if self.training else None, click_counts,
        )  # fmt: skip
        logits = self.click(shown, found, self.model.items, item_ids, click_dense, click_categorical)
        loss = click_loss = None
        if click_labels is not None:
            click_loss = self._click_loss(logits, click_labels, shown, layout, click_positions)
            loss = click_loss * _share(labels, num_items_in_batch)
            if follows:
                loss = loss + float(self.config.next_item_weight) * output.loss
        if calibrated or (calibrated is None and not self.training and click_labels is None):
            logits = self.calibrated(logits, click_items, read)
        return XCatClickOutput(
            loss=loss,
            logits=logits,
            click_loss=click_loss,
            next_item_loss=output.loss if follows else None,
            last_hidden_state=output.last_hidden_state,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            cross_attentions=output.cross_attentions,
            memory_positions=output.memory_positions,
        )

    @torch.no_grad()
    def click_evidence(
        self, item_ids: torch.Tensor, click_positions: torch.Tensor, click_items: torch.Tensor, **inputs: Any
    ) -> tuple[torch.Tensor, CandidateFeatures]:
        """Trained log odds and the features of `click_stack`, to fit it.

        Args:
            item_ids: (rows, length) item indices.
            click_positions: (showings,) as in `forward`.
            click_items: (showings,) likewise.
            **inputs: More inputs of `forward`.

        Returns:
            (showings,) log odds before calibration, and features of one candidate per showing.

        Raises:
            ValueError: If the model has no `click_stack`.
        """
        output = self(
            item_ids, click_positions=click_positions, click_items=click_items, calibrated=False, return_dict=True,
            **inputs,
        )  # fmt: skip
        layout = SequenceLayout.from_inputs(item_ids, inputs.get("attention_mask"), inputs.get("position_ids"))
        _, read = self._represented(
            output.last_hidden_state, item_ids, layout, click_positions, click_items, inputs.get("event_type_ids")
        )
        return output.logits, self._evidence(click_items, read)

    def calibrated(self, logits: torch.Tensor, click_items: torch.Tensor, read: _Read) -> torch.Tensor:
        """(showings,) log odds with the evidence of `click_stack`, if it is used, and calibrated."""
        if self.click_stack is not None and self.config.click_attention:
            parts = torch.arange(len(logits), device=logits.device).split(_SHOWINGS_AT_ONCE)
            logits = torch.cat([self.click_stack(logits[p], self._evidence(click_items[p], read, p)) for p in parts])
        found: torch.Tensor = self.calibration(logits)
        return found

    def _represented(
        self,
        hidden: torch.Tensor,
        item_ids: torch.Tensor,
        layout: SequenceLayout,
        positions: torch.Tensor,
        shown: torch.Tensor,
        event_type_ids: torch.Tensor | None,
        labels: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
    ) -> tuple[ShownStates, _Read]:
        """Represent the items of histories and showings, each distinct item once."""
        base, config = self.model, self.config
        rows, inverse = torch.unique(torch.cat([item_ids.flatten(), shown]), return_inverse=True)
        represented = base.items(rows)
        sides = base.item_side(represented.float())
        (history, own), (history_side, own_side) = (
            table[inverse].split([item_ids.numel(), len(shown)]) for table in (represented, sides)
        )
        known, last = positions >= 0, positions.clamp(min=0)
        states = hidden.flatten(0, 1)[last] * known[:, None]
        recent = base.recent_events(item_ids, layout, last, event_type_ids)
        recent = RecentEvents(recent.items * known[:, None], recent.counts * known[:, None])
        same = (recent.items == shown[:, None]) & (recent.counts > 0)
        times = (recent.counts * same).sum(1)
        product = (base.query_side(states.float()) * own_side).sum(1)
        bias = torch.zeros_like(product)
        if base.repeats is not None:
            bias = (base.repeats.values(recent) * same).sum(1).float()
        had = (times > 0).float(), times.float().log1p()
        evidence = torch.stack(
            [*(part * float(config.temperature) for part in (product, bias)), *(_HAD * part for part in had)], -1
        )
        if counts is None:
            counts = base.items.item_counts[shown]
            if labels is not None:  # an item's count has the showing's own event
                counts = (counts - labels.long()).clamp(min=0)
        size = *item_ids.shape, -1
        return (
            ShownStates(
                own, own_side, history.view(size), history_side.view(size), hidden, states, evidence, counts
            ),
            _Read(recent, states, SomeItems(rows, sides.detach(), config.num_item_rows)),
        )  # fmt: skip

    def _evidence(
        self, click_items: torch.Tensor, read: _Read, part: torch.Tensor | slice = slice(None)
    ) -> CandidateFeatures:
        """Features of showings for `click_stack`, with one candidate per showing."""
        if self.click_stack is None:
            raise ValueError("this model has no click_stack, because num_candidates is 0")
        base, rows = self.model, click_items[:, None]
        recent = read.recent[part]
        first = base.first_stage(read.states[part], recent, cold_boost=0.0)
        sources = base.candidate_sources(read.sides)
        scores = first.scores_of(rows, read.sides)
        return self.click_stack.evidence.features(first.queries, recent, rows, scores, sources)

    def _click_loss(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        shown: ShownItems,
        layout: SequenceLayout,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        wanted = labels.to(logits.dtype)
        total = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        loss: torch.Tensor = total / max(1, len(logits))
        if self.config.pairwise_weight:
            document = layout.document_ids.flatten()[positions.clamp(min=0)].masked_fill(positions < 0, -1)
            users = shown.rows * (layout.document_ids.shape[1] + 1) + document
            loss = loss + float(self.config.pairwise_weight) * pairwise_loss(logits, labels, users)
        return loss

    def _context(
        self, items: torch.Tensor, dense: torch.Tensor | None, categorical: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The context features, of the right shape; a batch without showings needs none."""
        wanted = {"click_dense": self.config.click_dense, "click_categorical": len(self.click.codes)}
        found: list[torch.Tensor | None] = []
        for (name, count), given in zip(wanted.items(), (dense, categorical), strict=True):
            shape = len(items), count
            if given is None and count and not len(items):
                given = items.new_zeros(shape, dtype=torch.float32 if name == "click_dense" else torch.long)
            if (given is None and count) or (given is not None and tuple(given.shape) != shape):
                got = "none" if given is None else list(given.shape)
                raise ValueError(f"{name} has the shape {got}; the model was trained with {list(shape)}")
            found.append(given)
        return found[0], found[1]


def _share(labels: torch.Tensor | None, count: torch.Tensor | int | None) -> torch.Tensor | float:
    """Share of a batch in the step's labels over all processes and accumulation steps."""
    if labels is None or count is None:
        return 1.0
    own = (labels >= 0).sum()
    share: torch.Tensor = own / torch.as_tensor(count, device=own.device).clamp(min=1)
    return torch.where(own > 0, share, 1.0)


XCatForClickPrediction.register_for_auto_class("AutoModel")
