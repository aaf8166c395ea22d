"""A processor for models that read no texts, such as click baselines: no text encoder is needed."""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.split_data import SplitData
from .prepare import rating_scale
from .windows import history_length

_UNKNOWN = "[UNK]"


def textless_processor(data: SplitData, max_history: int | None = None) -> XCatProcessor:
    """A processor with the catalogue of split data, whose tokenizer knows no words.

    Args:
        data: The split data.
        max_history: Events that a model reads; None for `history_length`.
    """
    words = Tokenizer(WordLevel({_UNKNOWN: 0}, unk_token=_UNKNOWN))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token=_UNKNOWN)
    buckets, scale = rating_scale(data.shop)
    return XCatProcessor(
        tokenizer, data.vocabulary, event_types=data.event_types,
        max_history=history_length(data.train) if max_history is None else max_history, num_rating_buckets=buckets,
        rating_range=scale, event_settings=data.settings, reads_texts=False,
    )  # fmt: skip
