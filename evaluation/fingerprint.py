"""Which data figures are of: a digest of what is judged, the same in every process and for every order of rows."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..tokenization.digests import catalogue_digest
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary


def judged_digest(split: Dataset, vocabulary: ItemVocabulary) -> str:
    """SHA-256 of the users of a split in their order, their histories and targets, and the items that are ranked.

    The order of users counts, for figures of single users are compared by their place; that of the catalogue's rows
    does not, for a model that begins with a base has its items first.

    Args:
        split: The split that is ranked, with `user_id`, `items` and `targets`.
        vocabulary: The catalogue, whose rows it has.
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
    return hashed.hexdigest()
