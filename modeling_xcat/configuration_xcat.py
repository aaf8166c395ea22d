"""Configuration of the XCat models."""

import os
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .hub_xcat import without_folders
from .limits_xcat import NUM_SPECIAL_ROWS as NUM_SPECIAL_ROWS
from .limits_xcat import check_choices, check_sizes
from .saving_xcat import code_of_main_left_out

FORMAT_VERSION = 9
"""Version of checkpoints, of what they hold and what that means; a newer one than the installed code knows is refused.

1: the first. 2: the neighbour memory adds nothing to items of the history. 3: there is a second stage. 4: the
neighbour memory holds weights of a regression in place of cosines, and the second stage is a network. 5: the second
stage knows what follows what. 6: it knows how often and how long ago a user had a candidate. 7: it knows which
candidates no training event names. 8: it knows which items users come back to, and after how many events. 9: for it
the number of training events of a cold item is unknown, and not 0.
"""
SECOND_STAGE_FROM = 3
"""Format version from which on there are candidates."""
REGRESSION_FROM = NETWORK_FROM = 4
"""Format version from which on the neighbour memory holds weights of a regression, and the second stage a network."""
SUCCESSORS_FROM = 5
"""Format version from which on there are successors."""
REPEATS_FROM = 6
"""Format version from which on the second stage knows how often and how long ago a user had a candidate."""
UNTRAINED_FROM = 7
"""Format version from which on the second stage knows which candidates no training event names."""
RETURNS_FROM = 8
"""Format version from which on the second stage knows which items users come back to, and after how many events."""
UNKNOWN_COUNTS_FROM = 9
"""Format version from which on the re-ranker takes the number of training events of a cold item as unknown."""


@strict
class XCatConfig(PreTrainedConfig):
    """Everything that decides the shape and the arithmetic of an XCat model.

    Keys keep their older names for saved checkpoints; docs/glossary.md gives the usual term for each.

    Args:
        text_config: Configuration of the nested text encoder, any that `AutoConfig` knows, or None for a model that
            carries no encoder and is given text states from outside.
        use_text: Whether an item is represented by its text.
        use_item_ids: Whether an item is represented by a trained embedding of its own.
        text_dim: Width of one text state (the hidden size of the text encoder).
        text_tokens_per_item: Text states an item: 1 is the mean over its tokens; n > 1 adds n - 1 means over
            consecutive spans of tokens, which only the cross-attention reads.
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        num_texts: Distinct item texts; items with one text share its states.
        item_features: Categorical attributes of items, name to number of values (value 0 means missing).
        event_types: Names of the kinds of event (view, purchase, ...), coded from 1; 0 is an unknown kind.
        negative_event_types: Those of `event_types` that speak against an item, such as returns. The encoder reads
            them as events of their type; for memories and second stage they do not count as having the item.
        num_rating_buckets: Buckets of ratings with 0 for no rating; 0 switches ratings off.
        num_time_gap_buckets: Logarithmic buckets of the time since the previous event; 0 switches gaps off.
        max_history: Longest history, in events, that the model reads; the latest events are kept. `prepare_training`
            raises it where histories are long (`history_length`), unless it is given.
        behavior_encoder: A name in `BEHAVIOR_ENCODERS`: "transformer", "gru" or "lstm".
        hidden_size: Width of behaviour states and item representations.
        intermediate_size: Width of the feed-forward layers.
        num_attention_heads: Heads of self- and cross-attention.
        num_behavior_layers: Layers of the behaviour encoder.
        num_fusion_layers: Cross-attention blocks from behaviour states to text states; 0 leaves fusion out.
        fusion_block: The cross-attention block, a name in `FUSION_BLOCKS`: "attention".
        memory_sources: Where the memory tokens of the fusion blocks come from, names in `MEMORY_SOURCES`: "item_text",
            "user_text", "interests"; the first if None. Training rows hold no texts of users, so training leaves
            "user_text" as it was initialized; checkpoints of earlier versions have it.
        hidden_act: Activation of feed-forward layers and adaptor.
        hidden_dropout: Dropout on inputs and residual branches.
        attention_dropout: Dropout on attention weights.
        id_dropout: Share of items whose id embedding is left out in a training step, so that text alone suffices.
        scoring: "cosine" or "dot" between behaviour states and item representations.
        temperature: Divisor of the scores.
        objective: "softmax" over the whole catalogue, "sampled_softmax", "gbce" (generalised binary cross-entropy over
            a sample), or "auto": the first up to `full_softmax_limit` items, then the second.
        full_softmax_limit: Largest catalogue, in items, for which "auto" means the full softmax.
        num_negatives: Uniform negatives a training step of a sampled objective, shared by the batch.
        gbce_calibration: Calibration t of "gbce", from 0 (plain binary cross-entropy) to 1.
        num_neighbors: Items kept of each for which having it says the most; they add to scores outside training.
        neighbor_window: Latest events whose neighbours count.
        neighbor_decay: Weight of an event's neighbours relative to those of the event after it.
        neighbor_weight: Weight of the neighbours in a score, in units of the score.
        neighbor_history: Whether items of a history get as much from the memory of neighbours as the best of the
            others, so that it does not speak against them; for a memory of texts alone (`xcat catalogue`).
        repeats: Whether an item's score depends on how long ago and how often it was in the history: "off", learnt
            "jointly" with all else, or learnt "apart", as what the rest leaves over when it is trained as if alone.
        repeat_weight: How much of that counts in a score; below 1 it leaves room for what is new to a user.
        untrained_bonus: Added to the scores of items without training events, in units of the score: what a shop gives
            to have its new items shown, at the cost of all others. `prepare_training` sets .25 where texts are read.
        num_candidates: Best items that the second stage scores anew (`XCatCandidateAttention`); 0 leaves it out.
        num_successors: Items kept of each that most often come soon after it, which the second stage goes by.
        candidate_window: Latest events that candidates attend to; 0 for a second stage without attention.
        candidate_hidden: Width of the network of the second stage.
        candidate_attention: Whether the second stage is in use; training sets it where validation says that it pays.
        soft_target_weight: Share of the label's mass given to the items nearest in text.
        num_soft_targets: How many such neighbours share it.
        freeze_text_encoder: Whether the nested text encoder is left as it was pretrained.
        layer_norm_eps: Epsilon of layer normalisation.
        initializer_range: Standard deviation of initial weights.
        format_version: Version of the checkpoint; one that was loaded keeps its own, and its scores.
        catalogue_digest: What `catalogue_digest` of the processor makes of the catalogue that the checkpoint was saved
            with; None where model and processor were not saved together.

    Raises:
        ValueError: If sizes do not fit together, or a name is not one of those listed.

    Example:
        >>> config = XCatConfig(num_item_rows=12, hidden_size=16, num_attention_heads=2)
        >>> config.num_items
        10
    """

    keys_to_ignore_at_inference = [
        "last_hidden_state", "hidden_states", "attentions", "cross_attentions", "memory_positions",
    ]  # fmt: skip
    model_type = "xcat"
    sub_configs = {"text_config": AutoConfig}

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    use_text: bool = True
    use_item_ids: bool = True
    text_dim: int = 384
    text_tokens_per_item: int = 1
    num_item_rows: int = NUM_SPECIAL_ROWS
    num_texts: int = 1
    item_features: dict[str, int] | None = None
    event_types: list[str] | None = None
    negative_event_types: list[str] | None = None
    num_rating_buckets: int = 0
    num_time_gap_buckets: int = 0
    max_history: int = 50
    behavior_encoder: str = "transformer"
    hidden_size: int = 128
    intermediate_size: int = 512
    num_attention_heads: int = 4
    num_behavior_layers: int = 1
    num_fusion_layers: int = 1
    fusion_block: str = "attention"
    memory_sources: list[str] | None = None
    hidden_act: str = "gelu"
    hidden_dropout: float | int = 0.2
    attention_dropout: float | int = 0.2
    id_dropout: float | int = 0.1
    scoring: str = "cosine"
    temperature: float | int = 0.05
    objective: str = "auto"
    full_softmax_limit: int = 50_000
    num_negatives: int = 4096
    gbce_calibration: float | int = 0.75
    num_neighbors: int = 50
    neighbor_window: int = 10
    neighbor_decay: float | int = 0.8
    neighbor_weight: float | int = 40.0
    neighbor_history: bool = False
    repeats: str = "jointly"
    repeat_weight: float | int = 1.0
    untrained_bonus: float | int = 0.0
    num_candidates: int = 200
    num_successors: int = 20
    candidate_window: int = 10
    candidate_hidden: int = 32
    candidate_attention: bool = False
    soft_target_weight: float | int = 0.3
    num_soft_targets: int = 10
    freeze_text_encoder: bool = True
    layer_norm_eps: float | int = 1e-6
    initializer_range: float | int = 0.02
    format_version: int = FORMAT_VERSION
    catalogue_digest: str | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.text_config, dict):
            self.text_config = _text_config(self.text_config)
        self.item_features = dict(self.item_features or {})
        self.event_types = list(self.event_types or [])
        self.negative_event_types = list(self.negative_event_types or [])
        self.memory_sources = ["item_text"] if self.memory_sources is None else list(self.memory_sources)
        if isinstance(self.format_version, int) and self.format_version < SECOND_STAGE_FROM:
            self.num_candidates = 0
        if isinstance(self.format_version, int) and self.format_version < SUCCESSORS_FROM:
            self.num_successors = 0
        super().__post_init__(**kwargs)
        check_sizes(self)
        check_choices(self)
        _check_format(self.format_version)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in `PreTrainedConfig`; the version is seen first, for a newer configuration may have other fields.

        The digest stays in the file, for the catalogue of a model that was loaded may change before it is saved. The
        package has a pipeline of its own; only code that came with a checkpoint goes by the pipeline beside it.
        """
        _check_format(config_dict.get("format_version", FORMAT_VERSION))
        left = {"catalogue_digest"}
        if not cls.__module__.startswith("transformers_modules."):
            left.add("custom_pipelines")
        return super().from_dict({k: v for k, v in config_dict.items() if k not in left}, **kwargs)

    @property
    def output_attentions(self) -> bool | None:
        """Whether attention weights are returned; such a call takes the eager implementation whatever is set."""
        return self._output_attentions

    @output_attentions.setter
    def output_attentions(self, value: bool | None) -> None:
        self._output_attentions = value

    def validate_output_attentions(self) -> None:
        """Every implementation of attention goes with `output_attentions`; other models take only the eager one."""

    def to_dict(self) -> dict[str, Any]:
        """As in `PreTrainedConfig`, without the folders that the text encoder or another part was loaded from."""
        settings: dict[str, Any] = without_folders(super().to_dict())
        return settings

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> Any:
        """As in `PreTrainedConfig`; the code of a class that is defined in `__main__` is left out."""
        with code_of_main_left_out(self):
            return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    @property
    def num_items(self) -> int:
        """Items in the catalogue."""
        return self.num_item_rows - NUM_SPECIAL_ROWS

    @property
    def negative_codes(self) -> list[int]:
        """Codes of `negative_event_types`."""
        codes = {name: code for code, name in enumerate(self.event_types or (), start=1)}
        return [codes[name] for name in self.negative_event_types or ()]

    @property
    def uses_full_softmax(self) -> bool:
        """Whether training normalises over the whole catalogue."""
        return self.objective == "softmax" or (self.objective == "auto" and self.num_items <= self.full_softmax_limit)


def _check_format(version: Any) -> None:
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ValueError(
            f"This checkpoint was made by a newer xcat-rec: it has format version {version!r}, and this code knows up "
            f"to {FORMAT_VERSION}; update xcat-rec, as its README describes the installation."
        )


def _text_config(values: dict[str, Any]) -> PreTrainedConfig:
    name = str(values.get("model_type"))
    if name not in CONFIG_MAPPING:
        raise ValueError(
            f"XCatConfig.text_config has model_type {name!r}, which this transformers does not know; "
            "give the configuration of an encoder that AutoConfig loads, such as 'bert'."
        )
    config: PreTrainedConfig = CONFIG_MAPPING[name](**{k: v for k, v in values.items() if k != "model_type"})
    return config


XCatConfig.register_for_auto_class()
