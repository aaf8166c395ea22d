"""The catalogue of a model: encode its texts, whiten them, and fill the item table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from ..modeling_baselines.cooccurrence import nearest_by_cosine
from ..modeling_baselines.regression import weights_by_regression
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, REGRESSION_FROM
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.text_xcat import fit_whitening
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import stage
from ..tokenization.text.pooling import PoolingSettings
from ..tokenization.text.precision import use_bf16
from ..tokenization.text.text_encoder import TextEncoder
from ..tokenization.unknown_tokens import warn_of_unknown
from ..tokenization.vocabulary import ItemVocabulary
from .cold_start import add_cold_start_neighbors
from .item_words import place_words
from .repurchases import count_repurchases
from .segments import fill_segments
from .transitions import strongest_transitions

if TYPE_CHECKING:  # serving reads this file, too, and needs no data sets
    from datasets import Dataset


def distinct_texts(vocabulary: ItemVocabulary) -> tuple[list[str], np.ndarray]:
    """Distinct texts of a catalogue.

    Args:
        vocabulary: A catalogue with a `text` column.

    Returns:
        The texts, where number 0 is the empty text, and the (rows,) text number of each row.
    """
    codes, values = vocabulary.codes("text")
    order = {value: code for code, value in enumerate(values)}
    empty = order.get("", -1)
    texts = ["", *(value for value in values if value)]
    number = np.zeros(len(values) + 1, dtype=np.int64)
    number[:-1] = np.cumsum([value != "" for value in values])
    if empty >= 0:
        number[empty] = 0
    return texts, number[codes]


@torch.no_grad()
def text_states(
    model: XCatForNextItem,
    processor: XCatProcessor,
    texts: list[str],
    *,
    precision: str = "auto",
    cache_dir: Path | None = None,
    keep: bool = True,
) -> torch.Tensor:
    """Encode texts with the model's encoder: (texts, tokens, text_dim), not whitened, cached on disk if `keep`.

    Texts get the prompt of items; reviews do too, because their states are compared with those of items.

    Raises:
        ValueError: If the model has no encoder.
    """
    text = model.model.text
    if text.encoder is None:
        raise ValueError("this model has no text encoder (text_config is None); give text states instead")
    encoder = TextEncoder(
        text.encoder.eval(),
        processor.tokenizer,
        PoolingSettings(text.pooling, prompt=processor.item_prompt),
        tokens=text.tokens,
        max_tokens=processor.max_text_length,
        bf16=use_bf16(precision, model.device.type),
    )
    return torch.from_numpy(encoder.encode(texts, cache_dir) if keep else encoder.encode_batch(texts))


def nearest_rows(states: torch.Tensor, text_index: torch.Tensor, neighbours: int, block: int = 1024) -> torch.Tensor:
    """Find the items nearest to each item in text, by cosine.

    Args:
        states: (texts, width) text states.
        text_index: (rows,) number of each row's text.
        neighbours: Neighbours per item; the item itself fills missing places. An item without text is nobody's
            neighbour.
        block: Items compared per step.

    Returns:
        (rows, neighbours) int32 rows; special rows keep 0.
    """
    rows = len(text_index)
    vectors = torch.nn.functional.normalize(states, dim=-1)[text_index[NUM_SPECIAL_ROWS:]]
    nearest = torch.arange(rows, dtype=torch.int32)[:, None].repeat(1, neighbours)
    nearest[:NUM_SPECIAL_ROWS] = 0
    count = min(neighbours, len(vectors) - 1)
    empty = ~vectors.any(dim=1)
    with stage("finding neighbours by text", len(vectors), "items") as running:
        for start in range(0, len(vectors) if count > 0 else 0, block):
            similarity = vectors[start : start + block] @ vectors.T
            own = torch.arange(len(similarity))
            similarity[own, start + own] = -torch.inf
            similarity[:, empty] = -torch.inf
            similarity[empty[start : start + block]] = -torch.inf
            best = similarity.topk(count, dim=1)
            part = nearest[start + NUM_SPECIAL_ROWS : start + NUM_SPECIAL_ROWS + len(own), :count]
            part.copy_(torch.where(best.values.isneginf(), part, (best.indices + NUM_SPECIAL_ROWS).int()))
            running.advance(len(own))
    return nearest


def training_counts(histories: Iterable[list[int]] | pa.ChunkedArray, rows: int) -> torch.Tensor:
    """(rows,) training events per row; histories are lists of item indices, or an Arrow list column."""
    if isinstance(histories, pa.ChunkedArray):
        flat = histories.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    else:
        flat = np.concatenate([np.asarray(h, dtype=np.int64) for h in histories] or [np.empty(0, np.int64)])
    counts = np.bincount(flat, minlength=rows)
    counts[:NUM_SPECIAL_ROWS] = 0
    return torch.from_numpy(counts.astype(np.int64))


def feature_codes(
    vocabulary: ItemVocabulary, features: dict[str, int], learned: dict[str, list[str]] | None = None
) -> torch.Tensor:
    """Codes of categorical columns (rows, features) from 1; 0 is a missing value, or a value unseen in training."""
    codes = np.zeros((len(vocabulary), len(features)), dtype=np.int64)
    for i, (name, size) in enumerate(features.items()):
        column, values = vocabulary.codes(name)
        if learned is not None:
            place = {value: code for code, value in enumerate(learned[name], start=1)}
            translate = np.array([*(place.get(value, 0) for value in values), 0])
            codes[:, i] = translate[column]
        else:
            codes[:, i] = np.where(column + 1 < size, column + 1, 0)
    return torch.from_numpy(codes)


def refresh_text_states(
    model: XCatForNextItem,
    processor: XCatProcessor,
    *,
    precision: str = "fp32",
    cache_dir: Path | None = None,
    keep: bool = False,
) -> None:
    """Encode the catalogue's texts again after training the encoder; the whitening stays the same.

    Use float32 for serving: a model loaded with its adapter then has the same states as the trained model.

    Args:
        model: A model whose catalogue is in place.
        processor: The processor with that catalogue.
        precision: Arithmetic of the encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
        keep: Whether they are cached on disk.
    """
    texts, _ = distinct_texts(processor.catalogue)
    states = text_states(model, processor, texts, precision=precision, cache_dir=cache_dir, keep=keep)
    place_text_states(model, torch.arange(len(texts)), states.to(model.device))


def place_text_states(model: XCatForNextItem, numbers: torch.Tensor, states: torch.Tensor) -> None:
    """Whiten (texts, tokens, text_dim) states and store them under these text numbers; number 0 is the empty text."""
    items, text = model.model.items, model.model.text
    valid = (states.abs().sum(-1) > 0) & (numbers > 0).to(states.device)[:, None]
    with torch.no_grad():
        items.text_states[numbers] = text.whiten(states) * valid[..., None]
        items.text_token_mask[numbers] = valid
    items.kept_texts = None


def place_categories(model: XCatForNextItem, vocabulary: ItemVocabulary) -> None:
    """Set the category of each item, in a model that compares categories; vocabulary and model have the same rows."""
    items = model.model.items
    if hasattr(items, "category_values"):
        codes = torch.from_numpy(vocabulary.category_codes.astype(np.int32)) + 1
        codes[:NUM_SPECIAL_ROWS] = 0
        items.category_values = codes.to(items.item_counts.device)


def fill_catalogue(
    model: XCatForNextItem,
    processor: XCatProcessor,
    counts: torch.Tensor,
    *,
    encode: Callable[[list[str]], torch.Tensor] | None = None,
    precision: str = "auto",
    cache_dir: Path | None = None,
    relations: bool = True,
) -> None:
    """Fill a model's item table from the processor's catalogue, and fit the whitening to it.

    Args:
        model: A model whose configuration has the catalogue's sizes.
        processor: The processor with the catalogue; its `text` column is encoded.
        counts: (rows,) training events per row.
        encode: Texts to (texts, tokens, text_dim) states, in place of the model's own encoder.
        precision: Arithmetic of the encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
        relations: Whether the items nearest in text are found, for label smoothing.
    """
    items, config, vocabulary = model.model.items, model.config, processor.catalogue
    items.item_counts.copy_(counts)
    items.feature_values.copy_(feature_codes(vocabulary, config.item_features or {}))
    place_categories(model, processor.catalogue)
    if not config.use_text:
        return
    texts, index = distinct_texts(vocabulary)
    warn_of_unknown(processor.tokenizer, texts[1:], "texts of items")
    states = (
        encode(texts) if encode else text_states(model, processor, texts, precision=precision, cache_dir=cache_dir)
    )
    text = model.model.text
    mean, whitening = fit_whitening(states[1:, 0]) if len(texts) > 1 else (text.mean, text.whitening)
    text.mean.copy_(mean)
    text.whitening.copy_(whitening)
    place_text_states(model, torch.arange(len(texts)), states)
    items.text_index.copy_(torch.from_numpy(index))
    place_words(model, processor)
    if relations and hasattr(model, "soft_target_rows"):
        model.soft_target_rows.copy_(nearest_rows(items.text_states[:, 0], items.text_index, config.num_soft_targets))


def fill_item_table(
    model: XCatForNextItem,
    processor: XCatProcessor,
    train: Dataset,
    *,
    precision: str = "auto",
    cache_dir: Path | None = None,
    relations: bool = True,
) -> None:
    """Fill all stored item data: texts, counts, repurchases, item-to-item weights and transitions.

    Args:
        model: A model whose configuration has the catalogue's sizes.
        processor: The processor with the catalogue.
        train: Training sequences.
        precision: Arithmetic of the text encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
        relations: Whether relations between items are filled, too: item-to-item weights, transitions, rates of
            segments and the items nearest in text.
    """
    from ..tokenization.sequences.build import target_items  # which imports datasets

    counts = training_counts(target_items(train), len(processor.catalogue))
    fill_catalogue(model, processor, counts, precision=precision, cache_dir=cache_dir, relations=relations)
    if relations:
        _fill_relations(model, train)


@torch.no_grad()
def count_again(model: XCatForNextItem, train: Dataset) -> None:
    """Replace the counts of a model, its item-to-item weights and transitions by those of training sequences.

    Args:
        model: A model whose catalogue is in place, changed in place; its texts and weights stay.
        train: Training sequences with the item indices of the model.
    """
    from ..tokenization.sequences.build import target_items  # which imports datasets

    items = model.model.items
    items.item_counts.copy_(training_counts(target_items(train), len(items.item_counts)))
    if hasattr(items, "return_counts"):
        items.return_counts.zero_()
        items.return_gaps.zero_()
    _fill_relations(model, train)


def _fill_relations(model: XCatForNextItem, train: Dataset) -> None:
    """Fill what a model stores of relations between items, from training sequences."""
    from ..tokenization.sequences.build import target_histories  # which imports datasets
    from ..tokenization.sequences.event_weights import target_weights

    histories, weights = target_histories(train), target_weights(train)
    add_repurchases(model, histories)
    fill_neighbors(model, histories, event_weights=weights)
    fill_transitions(model, histories, weights)
    fill_segments(model, train)


@torch.no_grad()
def fill_neighbors(
    model: XCatForNextItem,
    histories: Iterable[list[int]],
    elsewhere: torch.Tensor | None = None,
    event_weights: torch.Tensor | None = None,
) -> None:
    """Fill a model's item-to-item weights from training histories and texts; does nothing if the model has none.

    Cold items (no training events) get weights from their texts. Where all items can be compared, the regression
    itself includes the texts. `add_cold_start_neighbors` then adds the neighbours of similar warm items, as for items
    added later.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item indices per user.
        elsewhere: (rows,) users of each item whose training events are not in these histories; None for none.
        event_weights: (events,) weights of all events of the histories, as in `weights_by_regression`.
    """
    memory, items, config = model.model.neighbors, model.model.items, model.config
    if memory is None:
        return
    size, count = len(memory.rows), config.num_neighbors
    with stage("computing item-to-item weights"):
        if config.format_version < REGRESSION_FROM:
            rows, similarities = nearest_by_cosine(histories, size, count)
        else:
            texts = (items.text_states[:, 0].cpu(), items.text_index.cpu()) if config.use_text else None
            rows, similarities = weights_by_regression(
                histories, size, count, texts, elsewhere=elsewhere, event_weights=event_weights
            )
        memory.rows.copy_(rows)
        memory.similarities.copy_(similarities)
        add_cold_start_neighbors(model)


@torch.no_grad()
def fill_transitions(
    model: XCatForNextItem, histories: Iterable[list[int]], event_weights: torch.Tensor | None = None
) -> None:
    """Fill a model's item transitions from training histories; does nothing if the model has no transitions.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item indices per user, the earliest event first.
        event_weights: (events,) weights of all events of the histories, as in `strongest_transitions`.
    """
    table = model.model.successors
    if table is not None:
        size, count = table.rows.shape
        with stage("counting item transitions"):
            rows, shares = strongest_transitions(histories, size, count, event_weights=event_weights)
        table.rows.copy_(rows)
        table.similarities.copy_(shares)


def add_repurchases(model: XCatForNextItem, histories: Iterable[list[int]]) -> None:
    """Add the repurchases in training histories to a model's counts; does nothing if the model has no such counts.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item indices per user, the earliest event first.
    """
    items = model.model.items
    if hasattr(items, "return_counts"):
        with stage("counting repeat purchases"):
            counts, gaps = count_repurchases(histories, len(items.return_counts))
        items.return_counts += counts.to(items.return_counts.device)
        items.return_gaps += gaps.to(items.return_gaps.device)
