"""Hash of the evaluated data: the same in every process, and for every order of the catalogue."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..tokenization.digests import catalogue_digest
from ..tokenization.sequences.shown import flat_lists
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary


def evaluation_fingerprint(split: Dataset, vocabulary: ItemVocabulary) -> str:
    """SHA-256 of a split's users in their order, with histories, targets and showings, and of the catalogue.

    The order of users matters, because paired comparisons match users by position. The order of the catalogue does
    not: a model trained from a base has the base's items first.

    Args:
        split: The split to rank, with `user_id`, `items` and `targets`; and with the columns of `SHOWN` for clicks.
        vocabulary: The catalogue of its item indices.
    """
    ids = vocabulary.column("item_id").combine_chunks()
    order = pc.array_sort_indices(ids)
    place = np.arange(len(vocabulary), dtype="<i8")
    place[order.to_numpy() + NUM_SPECIAL_ROWS] = place[NUM_SPECIAL_ROWS:].copy()
    hashed = hashlib.sha256(catalogue_digest(ItemVocabulary(pa.table({"item_id": ids.take(order)}))).encode())
    table = split.with_format("arrow")[:]
    hashed.update(json.dumps(table["user_id"].to_pylist()).encode())
    for name in ("items", "targets"):
        lists = table[name].combine_chunks()
        hashed.update(pc.list_value_length(lists).to_numpy().astype("<i8").tobytes())
        hashed.update(place[lists.flatten().to_numpy()].tobytes())
    if "shown_items" in split.column_names:
        counts, items = flat_lists(split, "shown_items")
        shown = [counts, place[items], *(flat_lists(split, name)[1] for name in ("shown_labels", "shown_after"))]
        hashed.update(np.concatenate(shown).astype("<i8").tobytes())
    return hashed.hexdigest()
