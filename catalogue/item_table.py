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
from ..tokenization.text.precision import use_bf16
from ..tokenization.text.text_encoder import TextEncoder
from ..tokenization.unknown_tokens import warn_of_unknown
from ..tokenization.vocabulary import ItemVocabulary
from .cold_start import lend_neighbors
from .repurchases import count_returns
from .transitions import strongest_successors

if TYPE_CHECKING:  # serving reads this file, too, and needs no data sets
    from datasets import Dataset


def distinct_texts(vocabulary: ItemVocabulary) -> tuple[list[str], np.ndarray]:
    """Distinct texts of a catalogue.

    Args:
        vocabulary: A catalogue with a `text` column.

    Returns:
        The texts, of which number 0 is the empty one, and the (rows,) number of each row's text.
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

    Raises:
        ValueError: If the model carries no encoder.
    """
    text = model.model.text
    if text.encoder is None:
        raise ValueError("this model carries no text encoder (text_config is None); give text states instead")
    encoder = TextEncoder(
        text.encoder.eval(),
        processor.tokenizer,
        tokens=text.tokens,
        max_tokens=processor.max_text_length,
        bf16=use_bf16(precision, model.device.type),
    )
    return torch.from_numpy(encoder.encode(texts, cache_dir) if keep else encoder.encode_batch(texts))


def nearest_rows(states: torch.Tensor, text_index: torch.Tensor, neighbours: int, block: int = 1024) -> torch.Tensor:
    """For every item the items nearest to it in text, by cosine.

    Args:
        states: (texts, width) text states.
        text_index: (rows,) number of each row's text.
        neighbours: Neighbours wanted; where there are not enough, the item itself fills up. An item without text
            is nobody's neighbour.
        block: Items compared at a time.

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
    """(rows,) training events of every row; histories are lists of rows, or an Arrow list column."""
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
    """Codes of categorical columns (rows, features) from 1; 0 is a missing value, or one unknown at training."""
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
    """Encode the catalogue's texts anew with an encoder that was trained; the whitening stays as it was fitted.

    What is served is to be made in float32: it comes out the same where an adapter is loaded as where it was trained.

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
    """Whiten (texts, tokens, text_dim) states and put them where texts of these numbers are kept; 0 is no text."""
    items, text = model.model.items, model.model.text
    valid = (states.abs().sum(-1) > 0) & (numbers > 0).to(states.device)[:, None]
    with torch.no_grad():
        items.text_states[numbers] = text.whiten(states) * valid[..., None]
        items.text_token_mask[numbers] = valid
    items.kept_texts = None


def place_categories(model: XCatForNextItem, vocabulary: ItemVocabulary) -> None:
    """Tell a model that compares categories those of a vocabulary, whose rows are the model's."""
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
) -> None:
    """Fill a model's item table from the processor's catalogue, and fit the whitening to it.

    Args:
        model: A model whose configuration has the catalogue's sizes.
        processor: The processor with the catalogue; its `text` column is what is encoded.
        counts: (rows,) training events of every row.
        encode: Texts to (texts, tokens, text_dim) states, in place of the model's own encoder.
        precision: Arithmetic of the encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
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
    if hasattr(model, "soft_target_rows"):
        model.soft_target_rows.copy_(nearest_rows(items.text_states[:, 0], items.text_index, config.num_soft_targets))


def fill_item_table(
    model: XCatForNextItem,
    processor: XCatProcessor,
    train: Dataset,
    *,
    precision: str = "auto",
    cache_dir: Path | None = None,
) -> None:
    """Fill everything that a model stores of its catalogue: texts, counts, repeats, neighbours and transitions.

    Args:
        model: A model whose configuration has the catalogue's sizes.
        processor: The processor with the catalogue.
        train: Training sequences.
        precision: Arithmetic of the text encoder: auto, fp32 or bf16.
        cache_dir: Where text states are cached; None for the user's cache.
    """
    from ..tokenization.sequences.build import target_histories, target_items  # which imports datasets

    counts = training_counts(target_items(train), len(processor.catalogue))
    fill_catalogue(model, processor, counts, precision=precision, cache_dir=cache_dir)
    histories = target_histories(train)
    add_returns(model, histories)
    fill_neighbors(model, histories)
    fill_successors(model, histories)


@torch.no_grad()
def fill_neighbors(
    model: XCatForNextItem, histories: Iterable[list[int]], elsewhere: torch.Tensor | None = None
) -> None:
    """Fill a model's neighbour memory from training histories and texts; one without a memory is left alone.

    Items without training events have their place by text: in the same regression, where all items can be compared,
    and lent by what says the same (`lend_neighbors`), as those that come later will have.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item rows a user.
        elsewhere: (rows,) users of each item whose training events are not in these histories; None for none.
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
            rows, similarities = weights_by_regression(histories, size, count, texts, elsewhere=elsewhere)
        memory.rows.copy_(rows)
        memory.similarities.copy_(similarities)
        lend_neighbors(model)


@torch.no_grad()
def fill_successors(model: XCatForNextItem, histories: Iterable[list[int]]) -> None:
    """Fill what a model knows of what follows what from training histories; one that keeps none is left alone.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item rows a user, the earliest event first.
    """
    table = model.model.successors
    if table is not None:
        with stage("counting item transitions"):
            rows, shares = strongest_successors(histories, *table.rows.shape)
        table.rows.copy_(rows)
        table.similarities.copy_(shares)


def add_returns(model: XCatForNextItem, histories: Iterable[list[int]]) -> None:
    """Add returns in training histories to those that a model knows of; one that knows of none is left alone.

    Args:
        model: A model whose catalogue is in place.
        histories: One list of item rows a user, the earliest event first.
    """
    items = model.model.items
    if hasattr(items, "return_counts"):
        with stage("counting repeat purchases"):
            counts, gaps = count_returns(histories, len(items.return_counts))
        items.return_counts += counts.to(items.return_counts.device)
        items.return_gaps += gaps.to(items.return_gaps.device)
