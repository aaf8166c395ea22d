"""Checks the types of a content policy's fields, which may come from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...modeling_xcat.arguments_xcat import finite_number, kind_of


def check_fields(outcomes: Any, words: Any, classifier: Any, labels: Any, threshold: Any) -> None:
    """Check the types of the fields of `ContentPolicy`.

    Raises:
        ValueError: If a field has another type.
    """
    for name, given in (("outcomes", outcomes), ("labels", labels)):
        for key, value in _pairs(name, given):
            if not isinstance(value, str):
                raise ValueError(f"{name} of {key!r} is {kind_of(value)}; give a text")
    for key, value in _pairs("words", words):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"words of {key!r} is {kind_of(value)}; give a list of words")
        for word in value:
            if not isinstance(word, str) or not word.strip():
                shown = "an empty text" if isinstance(word, str) else kind_of(word)
                raise ValueError(f"words of {key!r} has {shown}; give words as texts")
    if classifier is not None and (not isinstance(classifier, str) or not classifier.strip()):
        raise ValueError(f"classifier is {kind_of(classifier)}; give the folder or hub id of a model")
    finite_number("threshold", threshold)


def _pairs(name: str, given: Any) -> list[tuple[str, Any]]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} is {kind_of(given)}; give an object with a value per category")
    for key in given:
        if not isinstance(key, str) or not key.strip():
            raise ValueError(f"{name} has the key {key!r}; give names as texts")
    return list(given.items())
