"""XCatForPreTraining: self-supervised losses over item texts, for logs of several datasets without shared ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers.utils import can_return_tuple

from .configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from .layout_xcat import SequenceLayout
from .modeling_xcat import XCatForNextItem, XCatModel
from .negatives_xcat import sample_candidates
from .next_item_loss_xcat import Candidates
from .objectives_xcat import LabelledEvents, build_objective
from .outputs_xcat import XCatModelOutput, XCatPreTrainingOutput
from .signature_xcat import names_inputs
from .views_xcat import DroppedView, last_events, mirrored

LOSSES = {
    "next_item": "next_item_weight",
    "masked_item": "masked_item_weight",
    "item_contrast": "item_contrast_weight",
    "sequence_contrast": "sequence_contrast_weight",
}
"""Losses of pretraining, with the field of the configuration that has the weight of each."""
_HIDDEN_ROW = 1
"""Item index at a mask; the mask replaces its representation."""


class XCatForPreTraining(XCatForNextItem):
    """XCatForNextItem with self-supervised losses, for pretraining on several datasets.

    Items are represented by their texts alone, so nothing that is trained belongs to one catalogue. The loss is the
    sum of four losses, each times its weight:

    * Next item: the event after each event (`next_item_weight`).
    * Masked item: an event behind a mask, from the events before and after it (`masked_item_weight`; BERT4Rec, Sun et
      al. 2019; S3-Rec, Zhou et al. 2020). The encoder reads the history forwards and backwards, as in ELMo (Peters et
      al. 2018), so the loss suits causal encoders: transformer, GRU and LSTM.
    * Item contrast: the event after a history of which items and texts were dropped (`item_contrast_weight`; UniSRec,
      Hou et al. 2022).
    * Sequence contrast: the whole history and the same history with dropped items and texts are near, and those of
      other users far (`sequence_contrast_weight`; CL4SRec, Xie et al. 2022; UniSRec). UniSRec drops words; here whole
      texts are dropped, because each text is encoded once.

    Candidates of the first three losses are the items of the batch and a uniform sample, both of one dataset, because
    items of another field are told apart too easily. So a batch has histories of one dataset (`catalogue_bounds`).

    Hou et al., "Towards Universal Sequence Representation Learning for Recommender Systems", KDD 2022. Xie et al.,
    "Contrastive Learning for Sequential Recommendation", ICDE 2022. Zhou et al., "S3-Rec: Self-Supervised Learning for
    Sequential Recommendation with Mutual Information Maximization", CIKM 2020. Peters et al., "Deep Contextualized
    Word Representations", NAACL 2018.

    Args:
        config: Configuration; the weights are above.

    Attributes:
        mask_embedding: Representation of a masked item and of an item with a hidden text.
        catalogue_bounds: First item index of each dataset, ascending, and the number of item rows; None for one
            dataset. Training sets it; it is not saved.

    Raises:
        ValueError: If items have no texts, the encoder is bidirectional, or no loss has a weight.
    """

    catalogue_bounds: Sequence[int] | None = None

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        check_pretraining(config)
        self.mask_embedding = nn.Embedding(1, config.hidden_size)
        self.post_init()
        self.model.text.freeze()

    @property
    def _has_soft_targets(self) -> bool:
        return False  # the nearest texts are mostly not among sampled candidates

    @names_inputs(XCatModel.forward)
    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        loss_weights: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **inputs: Any,
    ) -> Any:
        """Compute the losses of pretraining; without labels as `XCatForNextItem.forward`.

        Args:
            item_ids: (rows, length) item indices, all of one dataset.
            attention_mask: (rows, length) 0 where there is no event.
            position_ids: (rows, length) positions within each history.
            labels: (rows, length) index of the item after each event, -100 for no label.
            loss_weights: (rows, length) factor of each label's loss; None for 1.
            num_items_in_batch: As in `XCatForNextItem.forward`; the other losses count for the batch's share of the
                labels.
            **inputs: More inputs of `XCatForNextItem.forward`.

        Returns:
            The weighted sum, and each loss.

        Raises:
            ValueError: If the batch has items of several datasets.
        """
        inputs |= {"attention_mask": attention_mask, "position_ids": position_ids}
        if labels is None:
            return super().forward(item_ids, **inputs)
        inputs["return_dict"] = True
        layout = SequenceLayout.from_inputs(item_ids, attention_mask, position_ids)
        candidates = self._candidates(item_ids, _events(item_ids, labels, layout))
        losses, output = self._losses(candidates, item_ids, labels, loss_weights, layout, inputs)
        known = (labels >= NUM_SPECIAL_ROWS).sum()
        total = torch.as_tensor(known if num_items_in_batch is None else num_items_in_batch).clamp(min=1)
        weighted = [float(getattr(self.config, LOSSES[name])) * loss for name, loss in losses.items()]
        return XCatPreTrainingOutput(
            loss=torch.stack(weighted).sum() * (known / total),
            last_hidden_state=output.last_hidden_state,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            cross_attentions=output.cross_attentions,
            memory_positions=output.memory_positions,
            **{f"{name}_loss": loss for name, loss in losses.items()},
        )

    def _losses(
        self,
        candidates: Candidates,
        item_ids: torch.Tensor,
        labels: torch.Tensor,
        loss_weights: torch.Tensor | None,
        layout: SequenceLayout,
        inputs: dict[str, Any],
    ) -> tuple[dict[str, torch.Tensor], XCatModelOutput]:
        """Each loss with a weight, as a mean of this batch, and the output for whole histories."""
        wanted = {name for name, weight in LOSSES.items() if getattr(self.config, weight) > 0}
        losses: dict[str, torch.Tensor] = {}
        if "next_item" in wanted:
            losses["next_item"], output = self._next_item_loss(
                candidates, item_ids, labels, loss_weights, None, inputs
            )
        else:
            output = self.model(item_ids, item_embeds=candidates.embeds, **inputs)
        kinds = inputs.get("event_type_ids")
        if "masked_item" in wanted:
            losses["masked_item"] = self._masked_item_loss(candidates, item_ids, layout, kinds)
        if wanted & {"item_contrast", "sequence_contrast"}:
            view = DroppedView.draw(layout, float(self.config.drop_probability))
            shortened = self._read_view(candidates, item_ids, view, kinds)
            last = last_events(layout)
            if "item_contrast" in wanted:
                losses["item_contrast"] = self._among(candidates, shortened, labels.flatten()[last])
            if "sequence_contrast" in wanted:
                states: Any = output.last_hidden_state
                whole = states.flatten(0, 1)[last]
                losses["sequence_contrast"] = contrast(whole, shortened, float(self.config.contrast_temperature))
        return losses, output

    def _candidates(self, item_ids: torch.Tensor, targets: torch.Tensor) -> Candidates:
        """The items of the batch and a sample of their dataset's."""
        counts = self.model.items.item_counts
        first, end = self._bounds(targets)
        rows, log_inclusion = sample_candidates(
            targets - first,
            counts[first:end],
            self.config.num_negatives,
            first_row=0,
            exponent=float(self.config.negatives_exponent),
        )
        return self._with_items(rows + first, log_inclusion, item_ids)

    def _bounds(self, targets: torch.Tensor) -> tuple[int, int]:
        """First item index and end of the dataset that the (events,) targets belong to."""
        if self.catalogue_bounds is None or not len(targets):
            return NUM_SPECIAL_ROWS, self.config.num_item_rows
        bounds = torch.as_tensor(self.catalogue_bounds, device=targets.device)
        numbers = torch.searchsorted(bounds, targets.aminmax().min[None].long(), right=True) - 1
        first, end = (int(bound) for bound in bounds[int(numbers) : int(numbers) + 2])
        if int(targets.max()) >= end:
            raise ValueError(
                "item_ids has items of several datasets, and negatives come from one: give batches of one dataset "
                "(PretrainingTask makes them)"
            )
        return first, end

    def _masked_item_loss(
        self, candidates: Candidates, item_ids: torch.Tensor, layout: SequenceLayout, kinds: torch.Tensor | None
    ) -> torch.Tensor:
        """Cross-entropy of masked events, from their histories read forwards and backwards."""
        flat, history, _ = layout.unpack_index()
        several = torch.bincount(history)[history] > 1
        known = torch.isin(item_ids.flatten()[flat], candidates.rows)
        drawn = torch.rand(len(flat), device=flat.device) < float(self.config.mask_probability)
        places = flat[several & known & drawn]
        masked = torch.zeros_like(item_ids, dtype=torch.bool)
        masked.view(-1)[places] = True
        mirror = mirrored(layout)
        states = self._read(
            *(
                torch.cat([values, values.flatten(0, 1)[mirror].view_as(values)])
                for values in (item_ids, candidates.embeds, masked)
            ),
            attention_mask=layout.mask.long().repeat(2, 1),
            position_ids=layout.position_ids.repeat(2, 1),
            kinds=None if kinds is None else torch.cat([kinds, kinds.flatten()[mirror].view_as(kinds)]),
        )
        forwards, backwards = states.flatten(0, 1).split(item_ids.numel())
        return self._among(candidates, forwards[places] + backwards[mirror[places]], item_ids.flatten()[places])

    def _read_view(
        self, candidates: Candidates, item_ids: torch.Tensor, view: DroppedView, kinds: torch.Tensor | None
    ) -> torch.Tensor:
        """(histories, hidden) states after the last remaining event of each history."""
        states = self._read(
            item_ids, candidates.embeds, view.hidden, attention_mask=view.attention_mask,
            position_ids=view.position_ids, kinds=kinds,
        )  # fmt: skip
        return states.flatten(0, 1)[view.last]

    def _read(
        self,
        item_ids: torch.Tensor,
        embeds: torch.Tensor,
        hidden: torch.Tensor,
        *,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        kinds: torch.Tensor | None,
    ) -> torch.Tensor:
        """States (rows, length, hidden) of events, some with hidden items; times and ratings are not read."""
        output: XCatModelOutput = self.model(
            item_ids.masked_fill(hidden, _HIDDEN_ROW),  # memory sources look texts up
            item_embeds=torch.where(hidden[..., None], self.mask_embedding.weight.to(embeds.dtype), embeds),
            attention_mask=attention_mask,
            position_ids=position_ids,
            event_type_ids=kinds,
            return_dict=True,
        )
        states: Any = output.last_hidden_state
        return states  # type: ignore[no-any-return]

    def _among(self, candidates: Candidates, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of (events,) target items among the candidates; events without a target have none."""
        known = targets >= NUM_SPECIAL_ROWS
        events = LabelledEvents(
            self.model.query_side(states[known].float()),
            candidates.items.float(),
            torch.searchsorted(candidates.rows, targets[known]),
            self.model.item_side,
            log_inclusion=candidates.log_inclusion,
        )
        return build_objective(self.config).loss(events) / max(1, len(events.targets))


def check_pretraining(config: XCatConfig) -> None:
    """Refuse a configuration that cannot be pretrained.

    Raises:
        ValueError: If items have no texts, the encoder is bidirectional, the objective is not a softmax, or no loss
            has a weight.
    """
    if not config.use_text:
        raise ValueError("XCatConfig.use_text is False, and pretraining represents items by their texts; leave it out")
    if config.has_masks:
        raise ValueError(
            f"XCatConfig.behavior_encoder is {config.behavior_encoder!r}, and pretraining predicts next items, too; "
            "give transformer, gru or lstm"
        )
    if config.objective not in ("auto", "softmax", "sampled_softmax"):
        raise ValueError(
            f"XCatConfig.objective is {config.objective!r}, and pretraining samples candidates from one dataset of "
            "several; give sampled_softmax, or leave it out"
        )
    if not any(getattr(config, weight) > 0 for weight in LOSSES.values()):
        raise ValueError(f"no loss of pretraining has a weight; give one of {', '.join(LOSSES.values())} above 0")


def contrast(one: torch.Tensor, other: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean cross-entropy of pairs among all rows, by cosine, from both sides (InfoNCE).

    Args:
        one: (pairs, hidden) states.
        other: (pairs, hidden) states of the same pairs.
        temperature: Divisor of the cosines.

    Example:
        >>> states = torch.eye(2)
        >>> round(contrast(states, states, temperature=1.0).item(), 4)  # log(1 + exp(-1))
        0.3133
    """
    scores = nn.functional.normalize(one.float(), dim=-1) @ nn.functional.normalize(other.float(), dim=-1).T
    own = torch.arange(len(scores), device=scores.device)
    sides = [nn.functional.cross_entropy(side / temperature, own) for side in (scores, scores.T)]
    return torch.stack(sides).mean()


def _events(item_ids: torch.Tensor, labels: torch.Tensor, layout: SequenceLayout) -> torch.Tensor:
    """Item index of every event once: the first events of the histories, and the labels of all."""
    first = item_ids[layout.mask & layout.position_ids.eq(0)]
    events = torch.cat([first, labels.flatten()])
    return events[events >= NUM_SPECIAL_ROWS]


XCatForPreTraining.register_for_auto_class("AutoModel")
