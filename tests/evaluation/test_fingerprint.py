from __future__ import annotations

import pyarrow as pa
from datasets import Dataset, Features, List, Value

from xcat_rec.evaluation.fingerprint import evaluation_fingerprint
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ..fresh_processes import run_program

HISTORIES = [("ann", ["tent", "boots"], ["kite"]), ("bob", ["kite"], ["boots", "tent"])]


def fingerprint_of(histories: list[tuple[str, list[str], list[str]]] = HISTORIES, ids: str = "tent boots kite") -> str:
    vocabulary = ItemVocabulary(pa.table({"item_id": ids.split()}))
    users, items, targets = zip(*histories, strict=True)
    rows = {
        "user_id": list(users),
        "items": [vocabulary.encode(part).tolist() for part in items],
        "targets": [vocabulary.encode(part).tolist() for part in targets],
    }
    whole = List(Value("int32"))
    features = Features({"user_id": Value("string"), "items": whole, "targets": whole})
    return evaluation_fingerprint(Dataset.from_dict(rows, features=features), vocabulary)


def test_the_evaluated_data_matter_and_the_order_of_the_catalogue_does_not() -> None:
    ann, bob = HISTORIES
    same = fingerprint_of()
    assert len(same) == 64 and fingerprint_of(ids="kite tent boots") == same
    others = [
        fingerprint_of([bob, ann]),
        fingerprint_of([ann]),
        fingerprint_of([("eve", *ann[1:]), bob]),
        fingerprint_of([("ann", ["boots", "tent"], ["kite"]), bob]),
        fingerprint_of([("ann", ["tent", "boots"], ["tent"]), bob]),
        fingerprint_of([("ann", ["tent", "boots", "kite"], []), bob]),
        fingerprint_of([("ann", ["tent"], ["kite"]), ("bob", ["boots", "kite"], ["boots", "tent"])]),
        fingerprint_of(ids="tent boots kite lamp"),
    ]
    assert len({same, *others}) == len(others) + 1


def test_another_process_computes_the_same() -> None:
    code = f"from {__name__} import fingerprint_of; print(fingerprint_of())"
    done = run_program(code)
    assert done.stdout.strip() == fingerprint_of()
