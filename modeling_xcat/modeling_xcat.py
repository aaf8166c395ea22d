"""XCatModel, which encodes behaviour and items, and XCatForNextItem, which is trained to predict the next item."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.utils import can_return_tuple

from .asks_xcat import XCatAskReader
from .behavior_xcat import build_behavior_encoder
from .cloze_xcat import EVENT_CODES, ClozeBatch, XCatBidirectionalEncoder
from .configuration_xcat import DISCOVERY_FROM, XCatConfig
from .discovery_ranker_xcat import XCatDiscoveryRanker
from .export_xcat import is_exporting
from .features_xcat import XCatFeatures
from .fusion_xcat import XCatFusion
from .images_xcat import XCatImageEncoder
from .items_xcat import XCatItemEncoder
from .layout_xcat import SequenceLayout
from .memory_xcat import MemoryInputs
from .neighbors_xcat import XCatNeighbors, XCatSuccessors
from .next_item_loss_xcat import XCatNextItemLoss
from .outputs_xcat import XCatModelOutput, XCatNextItemOutput
from .repeats_xcat import XCatRepeats
from .reranker_xcat import XCatCandidateAttention
from .segments_xcat import XCatSegments
from .signature_xcat import names_inputs
from .target_heads_xcat import XCatTargetHeads
from .text_xcat import XCatTextEncoder

if TYPE_CHECKING:  # transformers reads this line and copies the pipeline's file into the checkpoint
    from .pipeline_xcat import XCatPipeline  # noqa: F401

PIPELINES: dict[str, Any] = {"item-recommendation": {"impl": "pipeline_xcat.XCatPipeline", "pt": ["AutoModel"]}}
"""Entry for `transformers.pipeline` in a saved configuration: task to the class in the checkpoint's code."""


class XCatModel(XCatFeatures):
    """Encodes histories into states, items into representations, and scores one against the other."""

    _keys_to_ignore_on_load_unexpected = [r"soft_target_rows"]

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.text = XCatTextEncoder(config)
        self.image = XCatImageEncoder(config) if config.image_dim else None
        self.items = XCatItemEncoder(config)
        self.position_embeddings = nn.Embedding(config.max_history, size)
        kinds = len(config.event_types or [])
        self.event_type_embeddings = nn.Embedding(kinds + 1, size) if kinds > 1 else None
        self.rating_embeddings = nn.Embedding(config.num_rating_buckets, size) if config.num_rating_buckets else None
        gaps = config.num_time_gap_buckets
        self.time_gap_embeddings = nn.Embedding(gaps, size) if gaps else None
        self.input_norm = nn.LayerNorm(size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout if config.input_dropout is None else config.input_dropout)
        self.encoder = build_behavior_encoder(config)
        self.fusion = XCatFusion(config) if config.num_fusion_layers else None
        self.output_norm = nn.LayerNorm(size, config.layer_norm_eps)
        self.neighbors = XCatNeighbors(config) if config.num_neighbors else None
        self.repeats = XCatRepeats(config) if config.repeats != "off" else None
        self.candidates = XCatCandidateAttention(config) if config.num_candidates else None
        discovers = config.num_candidates and config.format_version >= DISCOVERY_FROM
        self.discover_candidates = XCatCandidateAttention(config, discovers=True) if discovers else None
        follows = config.num_candidates and config.num_successors
        self.successors = XCatSuccessors(config) if follows else None
        self.segments = XCatSegments(config) if config.num_segments else None
        self.discovery_ranker = XCatDiscoveryRanker(config) if config.has_discovery_ranker else None
        self.asks = XCatAskReader(config) if config.ask_length else None
        self.target_heads = XCatTargetHeads(config) if config.target_head_groups else None
        self.post_init()
        self.text.freeze()

    def get_input_embeddings(self) -> nn.Module:
        """The item encoder, instead of the word embeddings of other models."""
        return self.items

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        event_type_ids: torch.Tensor | None = None,
        rating_ids: torch.Tensor | None = None,
        time_gap_ids: torch.Tensor | None = None,
        user_text_input_ids: torch.Tensor | None = None,
        user_text_attention_mask: torch.Tensor | None = None,
        user_text_document_ids: torch.Tensor | None = None,
        user_text_positions: torch.Tensor | None = None,
        interest_states: torch.Tensor | None = None,
        interest_kinds: torch.Tensor | None = None,
        interest_document_ids: torch.Tensor | None = None,
        interest_positions: torch.Tensor | None = None,
        item_embeds: torch.Tensor | None = None,
        masked: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> XCatModelOutput:
        """Encode histories.

        A bidirectional encoder reads one more mask after each history, unless `masked` is given. The state of that
        mask is then the state of the last event, and the states of other events are zeros; attention weights are those
        of the histories with their masks.

        Args:
            item_ids: (rows, length) item indices; 0 is no event.
            attention_mask: (rows, length) 0 where there is no event.
            position_ids: (rows, length) positions within each history; they restart at 0 for packed histories.
            event_type_ids: (rows, length) event types, coded from 1, or None.
            rating_ids: (rows, length) rating buckets, 0 for none, or None.
            time_gap_ids: (rows, length) buckets of the time since the previous event, 0 for unknown, or None.
            user_text_input_ids: (rows, texts, tokens) token ids of the users' own texts, or None.
            user_text_attention_mask: (rows, texts, tokens) 1 where there is a token.
            user_text_document_ids: (rows, texts) history within the row of each text, -1 for none.
            user_text_positions: (rows, texts) first event position that may see each text.
            interest_states: (rows, tokens, text_dim) whitened vectors of interest profiles, or None; see
                `MemoryInputs` for the other three.
            interest_kinds: (rows, tokens).
            interest_document_ids: (rows, tokens).
            interest_positions: (rows, tokens).
            item_embeds: (rows, length, hidden) representations of the items, if already computed.
            masked: (rows, length) True where a mask stands for an event, for a bidirectional encoder.
            output_attentions: Whether to return attention weights; None for the configuration's value.
            output_hidden_states: Whether to return the states of all layers; None for the configuration's value.
            **kwargs: Generic arguments of callers; unused except `return_dict`: False, here or in the configuration,
                returns a tuple of the values that are not None.

        Returns:
            States and, if requested, the states of all layers and attention weights.

        Raises:
            ValueError: If a history is longer than `config.max_history`; an exported graph does not check.
        """
        layout = SequenceLayout.from_inputs(item_ids, attention_mask, position_ids)
        if not is_exporting():
            self._check_lengths(layout)
            self.items.draw_modality()
        if self.config.has_masks and masked is None:
            codes = dict(zip(EVENT_CODES, (event_type_ids, rating_ids, time_gap_ids), strict=True))
            wanted = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
            return self._encode_ends(item_ids, layout, {**codes, **wanted})
        wants = bool(self.config.output_attentions if output_attentions is None else output_attentions)
        wants_states = bool(self.config.output_hidden_states if output_hidden_states is None else output_hidden_states)
        if item_embeds is None:
            item_embeds = self.embed_items(item_ids)
        if masked is not None and isinstance(self.encoder, XCatBidirectionalEncoder):
            item_embeds = self.encoder.hide(item_embeds, masked)
        positions = self.position_embeddings(layout.position_ids)
        states = self.embed_events(item_embeds + positions, event_type_ids, rating_ids, time_gap_ids)
        attentions: tuple[torch.Tensor, ...] = ()
        cross_attentions: tuple[torch.Tensor, ...] = ()
        event_positions = None
        hidden: tuple[torch.Tensor, ...] = (states,)
        if self.encoder is not None:
            after, attentions = self.encoder(states, layout, wants)
            hidden += after
        if self.fusion is not None:
            inputs = self.memory_inputs(
                item_ids, layout, positions, user_text_input_ids, user_text_attention_mask,
                user_text_document_ids=user_text_document_ids,
                user_text_positions=user_text_positions,
                interest_states=interest_states,
                interest_kinds=interest_kinds,
                interest_document_ids=interest_document_ids,
                interest_positions=interest_positions,
            )  # fmt: skip
            after, cross_attentions, event_positions = self.fusion(hidden[-1], inputs, wants)
            hidden += after
        last = self.output_norm(hidden[-1])
        return XCatModelOutput(
            last_hidden_state=last,
            hidden_states=(*hidden[:-1], last) if wants_states else None,
            attentions=attentions if wants else None,
            cross_attentions=cross_attentions if wants else None,
            memory_positions=event_positions if wants else None,
        )

    def memory_inputs(
        self,
        item_ids: torch.Tensor,
        layout: SequenceLayout,
        positions: torch.Tensor,
        user_text_input_ids: torch.Tensor | None = None,
        user_text_attention_mask: torch.Tensor | None = None,
        **tokens: torch.Tensor | None,
    ) -> MemoryInputs:
        """Inputs of the memory sources; `tokens` are fields of `MemoryInputs`, the others as for `forward`."""
        return MemoryInputs(
            item_ids=item_ids, layout=layout, items=self.items, position_states=positions,
            user_text_states=self._user_text_states(user_text_input_ids, user_text_attention_mask), **tokens,
        )  # fmt: skip

    def _encode_ends(self, item_ids: torch.Tensor, layout: SequenceLayout, inputs: dict[str, Any]) -> XCatModelOutput:
        """Encode histories with a mask after each; see `forward`."""
        batch = ClozeBatch.ends(item_ids, layout, self.config.max_history)
        output: XCatModelOutput = self(**batch.inputs(inputs), return_dict=True)

        def placed(states: Any) -> torch.Tensor:
            return batch.slots.at_events_before(states, batch.masked, item_ids)

        hidden = output.hidden_states
        return XCatModelOutput(
            last_hidden_state=placed(output.last_hidden_state),
            hidden_states=None if hidden is None else tuple(map(placed, hidden)),
            attentions=output.attentions,
        )

    def _check_lengths(self, layout: SequenceLayout) -> None:
        longest = int(layout.position_ids.max()) + 1 if layout.position_ids.numel() else 0
        if longest > self.config.max_history:
            raise ValueError(
                f"a history has {longest} events and the model reads {self.config.max_history}; "
                "keep the latest ones (the processor does)"
            )

    def embed_events(self, states: torch.Tensor, *codes: torch.Tensor | None) -> torch.Tensor:
        """Add embeddings of event type, rating and time gap, if given, to (rows, length, hidden) states."""
        tables = (self.event_type_embeddings, self.rating_embeddings, self.time_gap_embeddings)
        for table, code in zip(tables, codes, strict=True):
            if table is not None and code is not None:
                states = states + table(code)
        embedded: torch.Tensor = self.dropout(self.input_norm(states))
        return embedded

    @property
    def reads_user_texts(self) -> bool:
        """Whether the model reads user texts."""
        return self.fusion is not None and "user_text" in self.fusion.sources

    def embed_items(self, item_ids: torch.Tensor) -> torch.Tensor:
        """Represent the items of (rows, length) histories, each distinct item once: (rows, length, hidden)."""
        if is_exporting():
            alike: torch.Tensor = self.items(item_ids.flatten()).view(*item_ids.shape, -1)
            return alike
        rows, inverse = torch.unique(item_ids, return_inverse=True)
        represented: torch.Tensor = self.items(rows)
        return represented[inverse]

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Pooled, whitened (texts, tokens, text_dim) states of (texts, length) token ids."""
        states, valid = self.text(input_ids, attention_mask)
        whitened: torch.Tensor = self.text.whiten(states.float()) * valid[..., None]
        return whitened

    def _user_text_states(self, input_ids: torch.Tensor | None, mask: torch.Tensor | None) -> torch.Tensor | None:
        if input_ids is None or input_ids.shape[1] == 0:
            return None
        if not self.reads_user_texts:
            raise ValueError(
                f"user_text_input_ids were given, but this model does not read user texts: its memory_sources are "
                f"{self.config.memory_sources}; leave them out"
            )
        if mask is None:
            raise ValueError("user_text_input_ids need user_text_attention_mask")
        states = self.encode_text(input_ids.flatten(0, 1), mask.flatten(0, 1))[:, 0]
        return states.view(*input_ids.shape[:2], -1)


class XCatForNextItem(XCatNextItemLoss):
    """XCatModel trained to predict the next event of a history, over the catalogue or a sample of it.

    Attributes:
        base_class: The model that computes states and scores; a subclass may name its own.
    """

    base_class: type[XCatModel] = XCatModel
    model: XCatModel

    def __init__(self, config: XCatConfig) -> None:
        super().__init__(config)
        self.model = self.base_class(config)
        if self._has_soft_targets:
            shape = (config.num_item_rows, config.num_soft_targets)
            self.register_buffer("soft_target_rows", torch.zeros(shape, dtype=torch.int32))
        self.post_init()
        self.model.text.freeze()

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """As in `XCatPreTrainedModel`; the configuration names the pipeline saved in the checkpoint."""
        self.config.custom_pipelines = PIPELINES
        super().save_pretrained(save_directory, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self and self._has_soft_targets:
            init.zeros_(self.soft_target_rows)

    @names_inputs(XCatModel.forward)
    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        loss_weights: torch.Tensor | None = None,
        query_positions: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        output_attentions: bool | None = None,
        item_text_numbers: torch.Tensor | None = None,
        item_text_input_ids: torch.Tensor | None = None,
        item_text_attention_mask: torch.Tensor | None = None,
        **inputs: Any,
    ) -> XCatNextItemOutput:
        """Compute the loss of labelled events, or the scores of queries.

        Args:
            item_ids: (rows, length) item indices.
            attention_mask: (rows, length) 0 where there is no event.
            position_ids: (rows, length) positions within each history.
            labels: (rows, length) index of the item after each event, -100 for no label.
            loss_weights: (rows, length) factor of each label's loss; None for 1.
            query_positions: (queries,) positions in the flattened rows to score.
            num_items_in_batch: Labels over all processes and accumulation steps, the divisor of the summed loss; None
                for the labels of this batch.
            output_attentions: As in `XCatModel.forward`, which has `output_hidden_states` and `return_dict` too.
            item_text_numbers: (texts,) numbers of item texts to encode again, with gradients; needs labels.
            item_text_input_ids: (texts, tokens) their token ids.
            item_text_attention_mask: (texts, tokens) 1 where there is a token.
            **inputs: More inputs of `XCatModel.forward`.

        Returns:
            Loss, scores and states, each if requested.
        """
        inputs.update(
            attention_mask=attention_mask, position_ids=position_ids, output_attentions=output_attentions,
            return_dict=True,
        )  # fmt: skip
        loss = logits = None
        if labels is not None and item_text_numbers is not None:
            assert item_text_input_ids is not None and item_text_attention_mask is not None
            texts = self.model.encode_text(item_text_input_ids, item_text_attention_mask)
            with self.model.items.fresh_texts(item_text_numbers, texts):
                loss, output = self._loss(item_ids, labels, loss_weights, num_items_in_batch, inputs)
        elif labels is not None:
            loss, output = self._loss(item_ids, labels, loss_weights, num_items_in_batch, inputs)
        else:
            output = self.model(item_ids, **inputs)
        if query_positions is not None:
            if labels is not None and self.config.has_masks:  # the states are those of the training step's masks
                output = self.model(item_ids, **inputs)
            assert item_ids is not None
            assert output.last_hidden_state is not None
            logits = self.model.score_states(
                *self.model.pick(output.last_hidden_state, query_positions, item_ids=item_ids, **inputs)
            )
        return XCatNextItemOutput(
            loss=loss,
            logits=logits,
            last_hidden_state=output.last_hidden_state,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            cross_attentions=output.cross_attentions,
            memory_positions=output.memory_positions,
        )

    def score_catalogue(self, query_positions: torch.Tensor | None = None, **inputs: Any) -> torch.Tensor:
        """Like `XCatModel.score_catalogue`."""
        scores: torch.Tensor = self.model.score_catalogue(query_positions, **inputs)
        return scores

    def get_user_features(self, query_positions: Any = None, **inputs: Any) -> torch.Tensor:
        """Like `XCatModel.get_user_features`."""
        return self.model.get_user_features(query_positions, **inputs)

    def get_item_features(self, rows: Any = None) -> torch.Tensor:
        """Like `XCatModel.get_item_features`."""
        return self.model.get_item_features(rows)


XCatModel.register_for_auto_class("AutoModel")
XCatForNextItem.register_for_auto_class("AutoModel")
