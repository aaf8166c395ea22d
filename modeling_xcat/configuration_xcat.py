"""Configuration of the XCat models."""

import os
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig

from .format_xcat import ASKS_FROM as ASKS_FROM
from .format_xcat import DISCOVERY_FROM as DISCOVERY_FROM
from .format_xcat import FORMAT_VERSION as FORMAT_VERSION
from .format_xcat import NETWORK_FROM as NETWORK_FROM
from .format_xcat import REGRESSION_FROM as REGRESSION_FROM
from .format_xcat import REPEATS_FROM as REPEATS_FROM
from .format_xcat import RETURNS_FROM as RETURNS_FROM
from .format_xcat import SECOND_STAGE_FROM as SECOND_STAGE_FROM
from .format_xcat import SEGMENTS_FROM as SEGMENTS_FROM
from .format_xcat import SUCCESSORS_FROM as SUCCESSORS_FROM
from .format_xcat import TRENDS_FROM as TRENDS_FROM
from .format_xcat import UNKNOWN_COUNTS_FROM as UNKNOWN_COUNTS_FROM
from .format_xcat import UNTRAINED_FROM as UNTRAINED_FROM
from .format_xcat import check_format, switch_off_newer
from .hub_xcat import without_folders
from .limits_xcat import BIDIRECTIONAL, CLOZE, check_choices, check_sizes
from .limits_xcat import NUM_SPECIAL_ROWS as NUM_SPECIAL_ROWS
from .nested_config_xcat import nested_config
from .saving_xcat import code_of_main_left_out


@strict
class XCatConfig(PreTrainedConfig):
    """Sizes and options of an XCat model.

    Keys keep older names for saved checkpoints; docs/glossary.md gives the usual terms. Fields stand in groups.

    Args:
        *Items and their texts*
        text_config: Configuration of the nested text encoder, any of `AutoConfig`, or None for a model without an
            encoder, which gets text states from outside.
        use_text: Whether an item is represented by its text.
        use_item_ids: Whether an item is represented by a trained id embedding.
        text_dim: Width of one text state (the hidden size of the text encoder).
        text_tokens_per_item: Text states per item: 1 is the pooled state of its tokens; n > 1 adds n - 1 means over
            consecutive spans of tokens, used by the cross-attention only.
        text_pooling: Pooling of a text's tokens to its first state: "mean", "cls" (first token), "max" or "lasttoken".
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        num_texts: Distinct item texts; items with the same text share its states.
        item_features: Categorical attributes of items, name to number of values (value 0 means missing).
        *Images of items*
        image_config: Configuration of the nested vision encoder, any of `AutoConfig`; None for vectors from outside.
        image_dim: Width of one stored image state; 0 for a model without images.
        image_encoder_dim: Width of the vision encoder's vectors.
        images_per_item: Images stored per item, such as views of a product or frames of a video.
        num_images: Distinct images of the catalogue, and one for no image.
        modality_dropout: Share of steps in which all items lose text or image, and of items that lose one in others.
        *Events and histories*
        event_types: Names of the event types (view, purchase, ...), coded from 1; 0 is an unknown type.
        negative_event_types: Negative types among `event_types`, such as return. The encoder reads them as events of
            their type; item-to-item weights, repeat bias and re-ranker ignore them.
        num_rating_buckets: Buckets of ratings with 0 for no rating; 0 switches ratings off.
        num_time_gap_buckets: Logarithmic buckets of the time since the previous event; 0 switches gaps off.
        max_history: Longest history, in events, that the model reads; the latest events are kept. `prepare_training`
            increases the default for long histories (`history_length`).
        *Behaviour encoder*
        behavior_encoder: A name in `BEHAVIOR_ENCODERS`: "transformer", "gru", "lstm", or "bidirectional" (BERT4Rec),
            which needs objective "cloze".
        hidden_size: Width of behaviour states and item representations.
        intermediate_size: Width of the feed-forward layers.
        num_attention_heads: Heads of self- and cross-attention.
        num_behavior_layers: Layers of the behaviour encoder.
        *Fusion of behaviour and text*
        num_fusion_layers: Cross-attention blocks from behaviour states to text states; 0 turns fusion off.
        fusion_block: The cross-attention block, a name in `FUSION_BLOCKS`: "attention".
        memory_sources: Sources of memory tokens of the fusion blocks, names in `MEMORY_SOURCES`; None for "item_text".
            Training rows have no user texts, so "user_text" keeps its initial weights.
        *Activation and dropout*
        hidden_act: Activation of feed-forward layers and of the text projection.
        hidden_dropout: Dropout on inputs and residual branches.
        input_dropout: Dropout on inputs; None for `hidden_dropout`.
        attention_dropout: Dropout on attention weights.
        id_dropout: Share of items whose id embedding is dropped in a training step, so that text alone is enough.
        *Scores and training loss*
        scoring: "cosine" or "dot" between behaviour states and item representations.
        temperature: Divisor of the scores.
        objective: "softmax" over the whole catalogue, "sampled_softmax", "gbce" (generalised binary cross-entropy over
            a sample), "bpr_max" (ranking loss of GRU4Rec over a sample), "cloze" ("softmax" for masked events), or
            "auto": "softmax" up to `full_softmax_limit` items, "sampled_softmax" above.
        full_softmax_limit: Largest number of items for which "auto" is the full softmax.
        num_negatives: Negatives per training step of a sampled objective, shared by the batch.
        negatives_exponent: Exponent of an item's training count in the draw of these negatives: 0 draws all items
            alike, 1 by popularity (sample_alpha of GRU4Rec).
        gbce_calibration: Calibration t of "gbce", from 0 (plain binary cross-entropy) to 1.
        bpr_max_penalty: Weight of the squared scores of negatives in "bpr_max".
        mask_probability: Probability of a mask at each labelled event in "cloze".
        *Item-to-item weights*
        num_neighbors: Item-to-item weights stored per item: the items it predicts best. Used at inference only.
        neighbor_window: Number of latest events whose item-to-item weights are added.
        neighbor_decay: Decay of the item-to-item weights per event, from the latest event backwards.
        neighbor_weight: Factor of the item-to-item weights in the score. Training tunes it, unless it is given.
        discover_neighbor_weight: The same for discovery, which ranks only items that the history lacks; None for
            `neighbor_weight`. Training sets it, unless one of the two is given.
        neighbor_history: Whether items already in the history get the maximum neighbour score of the other items, so
            that they are not ranked down; for weights from texts alone (`xcat catalogue`).
        *Discovery*
        num_segments: Segments of users with rates of first purchases (`XCatSegments`); 0 for none. `prepare_training`
            sets 0 if customers do not buy again, because then next items are new items.
        segment_width: Width of the vectors that segments are compared with.
        discover_product_weight: Factor of the dot products in the score for discovery, to which the rates are added.
            Training sets it; None leaves the rates out, and the products as they are.
        num_discovery_candidates: Best items for discovery that are re-ranked by rates and trends
            (`XCatDiscoveryRanker`), in models with segments; 0 turns it off.
        discover_trends: Whether they are, instead of by `discover_candidate_attention`. Training sets it if validation
            shows a gain.
        *Repeat bias and cold-item boost*
        repeats: Repeat bias: a score that depends on recency and number of the item's events in the history. "off";
            "jointly": trained with the rest; "apart": the model is trained without the bias, and the bias is fitted on
            top of the model's (fixed) scores.
        repeat_weight: Weight of the repeat bias in the score; values below 1 favour items new to the user.
        untrained_bonus: Cold-item boost: added to the scores of items without training events. Higher values show new
            items more often, at the cost of others. `prepare_training` sets 0.25 for models that read texts.
        discover_untrained_bonus: The same for discovery; None for `untrained_bonus`. Training sets it if it is None.
        *Re-ranker*
        num_candidates: Best items that the re-ranker scores again (`XCatCandidateAttention`); 0 turns it off.
        num_successors: Item transitions stored per item: the items that most often follow it; read by the re-ranker.
        candidate_window: Latest events that candidates attend to; 0 for a re-ranker without attention.
        candidate_hidden: Width of the re-ranker's network.
        candidate_attention: Whether the re-ranker is used; training sets it if validation shows a gain.
        discover_candidate_attention: Whether discovery uses its own re-ranker, likewise; None for the same re-ranker
            as without discovery, if that is used.
        *What a customer asks for*
        ask_length: Tokens stored per item text, to compare with an ask (`XCatAskReader`); 0 for a model that reads
            none. `prepare_training` sets 48 for models that read texts.
        ask_heads: Heads of the cross-attention of candidates to the ask; 0 for candidates that read only its scores.
        ask_hidden: Width of the network that re-ranks candidates for an ask.
        ask_attention: Whether candidates are re-ranked for the ask; training sets it if validation shows a gain.
        *Heads of brands, categories and other targets*
        target_head_groups: Groups of each column of the items with a head (`XCatTargetHeads`), in the order of its
            rows. Training sets both fields, for the columns of `target_heads`.
        target_head_weights: Weights of each head beside summed items, for the next item and for discovery; 0 for none.
        *Clicks*
        click_dense: Number of numeric context features of an impression.
        click_categorical_sizes: Number of codes of each categorical context feature, 0 (missing) included.
        click_attention: Whether evidence fitted after training is added (`XCatClickStack`); training sets it if
            validation shows a gain.
        next_item_weight: Weight of the loss of next-item prediction beside those of clicks or of pretraining; 0 leaves
            it out.
        pairwise_weight: Weight of a loss over pairs of a click and a non-click of one user; 0 for none.
        *Pretraining*
        masked_item_weight: Weight of the loss of masked items (`XCatForPreTraining`); `mask_probability` masks them.
        item_contrast_weight: Weight of the loss of the item after a shortened history.
        sequence_contrast_weight: Weight of the loss that brings a whole history and its shortened one together.
        drop_probability: Probability that a shortened history lacks an event, or the text of a remaining one.
        contrast_temperature: Divisor of the cosines of histories.
        *Label smoothing over text neighbours*
        soft_target_weight: Label smoothing: share of the label's mass given to the items nearest in text.
        num_soft_targets: Number of text neighbours that share it.
        *Trained parts and initial weights*
        freeze_text_encoder: Whether the nested text encoder is not trained.
        layer_norm_eps: Epsilon of layer normalisation.
        initializer_range: Standard deviation of initial weights.
        *Saved checkpoint*
        format_version: Format version of the checkpoint; a loaded checkpoint keeps its version and its scores.
        catalogue_digest: Hash of the catalogue saved with the checkpoint (`catalogue_digest` of the processor); None
            if model and processor were not saved together.

    Raises:
        ValueError: If sizes do not fit together, or a name is not one of the listed names.

    Example:
        >>> config = XCatConfig(num_item_rows=12, hidden_size=16, num_attention_heads=2)
        >>> config.num_items
        10
    """

    keys_to_ignore_at_inference = [
        "last_hidden_state", "hidden_states", "attentions", "cross_attentions", "memory_positions",
    ]  # fmt: skip
    model_type = "xcat"
    sub_configs = {"text_config": AutoConfig, "image_config": AutoConfig}

    # Items and their texts
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    use_text: bool = True
    use_item_ids: bool = True
    text_dim: int = 384
    text_tokens_per_item: int = 1
    text_pooling: str = "mean"
    num_item_rows: int = NUM_SPECIAL_ROWS
    num_texts: int = 1
    item_features: dict[str, int] | None = None

    # Images of items
    image_config: dict[str, Any] | PreTrainedConfig | None = None
    image_dim: int = 0
    image_encoder_dim: int = 0
    images_per_item: int = 1
    num_images: int = 1
    modality_dropout: float | int = 0.0

    # Events and histories
    event_types: list[str] | None = None
    negative_event_types: list[str] | None = None
    num_rating_buckets: int = 0
    num_time_gap_buckets: int = 0
    max_history: int = 50

    # Behaviour encoder
    behavior_encoder: str = "transformer"
    hidden_size: int = 128
    intermediate_size: int = 512
    num_attention_heads: int = 4
    num_behavior_layers: int = 1

    # Fusion of behaviour and text
    num_fusion_layers: int = 1
    fusion_block: str = "attention"
    memory_sources: list[str] | None = None

    # Activation and dropout
    hidden_act: str = "gelu"
    hidden_dropout: float | int = 0.2
    input_dropout: float | int | None = None
    attention_dropout: float | int = 0.2
    id_dropout: float | int = 0.1

    # Scores and training loss
    scoring: str = "cosine"
    temperature: float | int = 0.05
    objective: str = "auto"
    full_softmax_limit: int = 50_000
    num_negatives: int = 4096
    negatives_exponent: float | int = 0.0
    gbce_calibration: float | int = 0.75
    bpr_max_penalty: float | int = 1.0
    mask_probability: float | int = 0.2

    # Item-to-item weights
    num_neighbors: int = 50
    neighbor_window: int = 10
    neighbor_decay: float | int = 0.8
    neighbor_weight: float | int = 40.0
    discover_neighbor_weight: float | int | None = None
    neighbor_history: bool = False

    # Discovery
    num_segments: int = 32
    segment_width: int = 16
    discover_product_weight: float | int | None = None
    num_discovery_candidates: int = 200
    discover_trends: bool = False

    # Repeat bias and cold-item boost
    repeats: str = "jointly"
    repeat_weight: float | int = 1.0
    untrained_bonus: float | int = 0.0
    discover_untrained_bonus: float | int | None = None

    # Re-ranker
    num_candidates: int = 200
    num_successors: int = 20
    candidate_window: int = 10
    candidate_hidden: int = 32
    candidate_attention: bool = False
    discover_candidate_attention: bool | None = None

    # What a customer asks for
    ask_length: int = 0
    ask_heads: int = 2
    ask_hidden: int = 32
    ask_attention: bool = False

    # Heads of brands, categories and other targets
    target_head_groups: dict[str, list[str]] | None = None
    target_head_weights: dict[str, list[float | int]] | None = None

    # Clicks
    click_dense: int = 0
    click_categorical_sizes: list[int] | None = None
    click_attention: bool = False
    next_item_weight: float | int = 1.0
    pairwise_weight: float | int = 0.0

    # Pretraining
    masked_item_weight: float | int = 0.5
    item_contrast_weight: float | int = 0.5
    sequence_contrast_weight: float | int = 0.05
    drop_probability: float | int = 0.2
    contrast_temperature: float | int = 0.07

    # Label smoothing over text neighbours
    soft_target_weight: float | int = 0.3
    num_soft_targets: int = 10

    # Trained parts and initial weights
    freeze_text_encoder: bool = True
    layer_norm_eps: float | int = 1e-6
    initializer_range: float | int = 0.02

    # Saved checkpoint
    format_version: int = FORMAT_VERSION
    catalogue_digest: str | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.text_config, dict):
            self.text_config = nested_config("text_config", self.text_config)
        if isinstance(self.image_config, dict):
            self.image_config = nested_config("image_config", self.image_config)
        self.item_features = dict(self.item_features or {})
        self.event_types = list(self.event_types or [])
        self.negative_event_types = list(self.negative_event_types or [])
        self.click_categorical_sizes = list(self.click_categorical_sizes or [])
        self.memory_sources = ["item_text"] if self.memory_sources is None else list(self.memory_sources)
        self.target_head_groups = dict(self.target_head_groups or {})
        self.target_head_weights = dict(self.target_head_weights or {})
        switch_off_newer(self)
        super().__post_init__(**kwargs)
        self.architectures = list(self.architectures or [])  # `AutoModel` looks for a class there
        check_sizes(self)
        check_choices(self)
        check_format(self.format_version)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in `PreTrainedConfig`, but checks the version first, because a newer configuration may have other fields.

        The hash is not loaded, because the catalogue may change before the model is saved again. The pipeline in the
        checkpoint is used only by code from the checkpoint; the package has its own pipeline.
        """
        check_format(config_dict.get("format_version", FORMAT_VERSION))
        left = {"catalogue_digest"}
        if not cls.__module__.startswith("transformers_modules."):
            left.add("custom_pipelines")
        return super().from_dict({k: v for k, v in config_dict.items() if k not in left}, **kwargs)

    def cold_boost(self, discovers: bool) -> float:
        """The cold-item boost in use.

        Args:
            discovers: Whether only items that the history lacks are ranked.
        """
        own = self.discover_untrained_bonus if discovers else None
        return float(self.untrained_bonus if own is None else own)

    def use_cold_boost(self, value: float) -> None:
        """Set the cold-item boost of both purposes."""
        self.untrained_bonus, self.discover_untrained_bonus = value, None

    @property
    def output_attentions(self) -> bool | None:
        """Whether attention weights are returned; such a call always uses the eager implementation."""
        return self._output_attentions

    @output_attentions.setter
    def output_attentions(self, value: bool | None) -> None:
        self._output_attentions = value

    def validate_output_attentions(self) -> None:
        """Accept `output_attentions` with every attention implementation; other models accept only eager."""

    def to_dict(self) -> dict[str, Any]:
        """As in `PreTrainedConfig`, without the folders that the text encoder or another part was loaded from."""
        settings: dict[str, Any] = without_folders(super().to_dict())
        return settings

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> Any:
        """As in `PreTrainedConfig`; the code of a class defined in `__main__` is not saved."""
        with code_of_main_left_out(self):
            return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    @property
    def num_items(self) -> int:
        """Items in the catalogue."""
        return self.num_item_rows - NUM_SPECIAL_ROWS

    @property
    def has_discovery_ranker(self) -> bool:
        """Whether the model has a re-ranker of rates and trends."""
        return self.num_segments > 0 and self.num_discovery_candidates > 0

    @property
    def negative_codes(self) -> list[int]:
        """Codes of `negative_event_types`."""
        codes = {name: code for code, name in enumerate(self.event_types or (), start=1)}
        return [codes[name] for name in self.negative_event_types or ()]

    @property
    def uses_full_softmax(self) -> bool:
        """Whether training normalises over the whole catalogue."""
        whole = self.objective in ("softmax", CLOZE)
        return whole or (self.objective == "auto" and self.num_items <= self.full_softmax_limit)

    @property
    def has_masks(self) -> bool:
        """Whether the encoder reads masks in place of the events that it predicts."""
        return self.behavior_encoder == BIDIRECTIONAL


XCatConfig.register_for_auto_class()
