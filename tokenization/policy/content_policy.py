"""The content policy: categories of words with their outcomes, and an optional classifier."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ...modeling_xcat.arguments_xcat import kind_of
from .fields import check_fields
from .folding import plain_text, revealed_texts
from .patterns import HATE, SPAM, found_patterns
from .word_lists import WordFinder, WordList, package_lists

Outcome = Literal["allowed", "sensitive", "blocked"]
OUTCOMES: Mapping[str, Outcome] = {
    "alcohol": "sensitive", "tobacco": "sensitive", "adult": "sensitive", "medicine": "sensitive",
    "weapons": "sensitive", "loss": "sensitive", HATE: "blocked", SPAM: "blocked",
}  # fmt: skip
"""Outcomes of the categories of the package's lists."""
_RANK = {"allowed": 0, "sensitive": 1, "blocked": 2}


@dataclass(frozen=True)
class Match:
    """A rule that a text matches.

    Args:
        category: Category of the rule.
        rule: A word of a list, the name of a pattern, or the label of a classifier.
        hidden: Whether the word is hidden: spread, broken, masked, or of other letters.
        certain: Whether the word has no other meaning; False for a classifier.
        column: Column of the item; "" for a single text.
    """

    category: str
    rule: str
    hidden: bool = False
    certain: bool = True
    column: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON; empty values are left out."""
        return {name: value for name, value in asdict(self).items() if value not in ("", False) or name == "certain"}


@dataclass(frozen=True)
class Verdict:
    """Outcome of a text or an item.

    Args:
        outcome: "allowed"; "sensitive": never a reason, and recommended only to users who have the category; or
            "blocked": never shown.
        matches: The rules that it matches.
    """

    outcome: Outcome
    matches: tuple[Match, ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of the matches, each once."""
        return tuple(dict.fromkeys(match.category for match in self.matches))

    @property
    def certain(self) -> bool:
        """Whether a match is certain: plainly written, without another meaning."""
        return any(match.certain and not match.hidden for match in self.matches)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {
            "outcome": self.outcome, "categories": list(self.categories), "certain": self.certain,
            "matches": [match.to_dict() for match in self.matches],
        }  # fmt: skip


@dataclass(frozen=True)
class ContentPolicy:
    """Rules over texts of items and sentences.

    A text that matches rules of several categories has the strictest outcome of them. A hidden word, such as "v0dka"
    or "w i n e", is blocked whatever the outcome of its category, unless the category is allowed.

    Args:
        outcomes: Outcome per category: "allowed", "sensitive" or "blocked"; categories that are left out keep that of
            `OUTCOMES`.
        words: Own words per category, in addition to the lists of the package; a new category needs an outcome.
        classifier: Folder or hub id of a model for `text-classification`; None for none.
        labels: Category per label of the classifier.
        threshold: Least score of a label.

    Raises:
        ValueError: If an outcome, a category or the threshold is invalid.

    Example:
        >>> policy = ContentPolicy(outcomes={"alcohol": "allowed"}, words={"alcohol": ["kvass"]})
        >>> policy.check("Kvass, 1 l").outcome, policy.check("Menthol cigarettes").outcome
        ('allowed', 'sensitive')
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    classifier: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self.outcomes, self.words, self.classifier, self.labels, self.threshold)
        object.__setattr__(self, "outcomes", {**OUTCOMES, **self.outcomes})
        object.__setattr__(self, "words", {name: tuple(words) for name, words in self.words.items()})
        for name, outcome in self.outcomes.items():
            if outcome not in _RANK:
                raise ValueError(f"outcomes of {name!r} is {outcome!r}; give one of {', '.join(_RANK)}")
        for argument, names in (("words", self.words), ("labels", self.labels.values())):
            unknown = [name for name in names if name not in self.outcomes]
            if unknown:
                raise ValueError(f"{argument} has the category {unknown[0]!r} without an outcome; add it to outcomes")
        if self.classifier is not None and not self.labels:
            raise ValueError("classifier needs labels=, the category of each of its labels that counts")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}; give a number above 0, and 1 at most")

    def check(self, text: str) -> Verdict:
        """The outcome of one text, such as a title or a sentence."""
        return self.check_many([text])[0]

    def check_many(self, texts: Sequence[str]) -> list[Verdict]:
        """The outcomes of texts, in their order."""
        of_classifier = self._classified(texts)
        return [self.verdict([*self._matches(text), *own]) for text, own in zip(texts, of_classifier, strict=True)]

    def verdict(self, matches: Sequence[Match]) -> Verdict:
        """The outcome of matches: the strictest of them."""
        counted = [match for match in matches if self.outcomes[match.category] != "allowed"]
        outcomes: list[Outcome] = ["blocked" if one.hidden else self.outcomes[one.category] for one in counted]
        return Verdict(max(outcomes, key=_RANK.__getitem__, default="allowed"), tuple(counted))

    def settings(self) -> dict[str, Any]:
        """The fields as plain values, for `policy.json`."""
        plain = asdict(self)
        return {**plain, "words": {name: list(words) for name, words in self.words.items()}}

    def _matches(self, text: str) -> list[Match]:
        found = [Match(one.category, one.word, one.hidden, one.certain) for one in self._finder.find(text)]
        plain = dict.fromkeys(found_patterns(unicodedata.normalize("NFKC", text)))
        plain |= dict.fromkeys(pair for pair in found_patterns(plain_text(text)) if pair[0] == HATE)
        hidden = {pair for reading in revealed_texts(text) for pair in found_patterns(reading) if pair[0] == HATE}
        found += [Match(*pair) for pair in plain]
        return found + [Match(*pair, hidden=True) for pair in sorted(hidden - set(plain))]

    @cached_property
    def _finder(self) -> WordFinder:
        lists = dict(package_lists())
        for name, words in self.words.items():
            known = lists.get(name, WordList())
            own = {word.casefold(): True for word in words}
            lists[name] = WordList({**known.words, **own}, known.exceptions, known.context)
        return WordFinder(lists)

    def _classified(self, texts: Sequence[str]) -> list[list[Match]]:
        if self.classifier is None or not texts:
            return [[] for _ in texts]
        scored = self._pipeline(list(texts), top_k=None, truncation=True)
        return [
            [
                Match(self.labels[one["label"]], f"{one['label']} {one['score']:.2f}", certain=False)
                for one in labels
                if one["label"] in self.labels and one["score"] >= self.threshold
            ]
            for labels in scored
        ]

    @cached_property
    def _pipeline(self) -> Any:
        from transformers import pipeline

        return pipeline("text-classification", model=self.classifier)


def read_policy(given: str | os.PathLike[str] | Mapping[str, Any] | ContentPolicy | None) -> ContentPolicy | None:
    """A policy from a word, a file or its fields.

    Args:
        given: "standard", "off", a JSON file with fields of `ContentPolicy`, a mapping of them, a policy, or None.

    Returns:
        The policy; None for "off" and None.

    Raises:
        OSError: If there is no such file.
        ValueError: If a field is unknown or invalid.
    """
    if given is None or isinstance(given, ContentPolicy):
        return given
    if isinstance(given, Mapping):
        return _of_fields(given, "policy")
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"policy is {kind_of(given)}; give standard, off, a JSON file or its fields")
    name = os.fspath(given)
    if name in ("standard", "off"):
        return ContentPolicy() if name == "standard" else None
    if not Path(name).is_file():
        raise FileNotFoundError(f"policy is {name!r}; give standard, off, or a JSON file with its settings")
    try:
        fields = json.loads(Path(name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"policy {name}: it is no JSON ({error})") from error
    return _of_fields(fields, f"policy {name}")


def _of_fields(fields: Any, where: str) -> ContentPolicy:
    known = ContentPolicy.__dataclass_fields__
    if not isinstance(fields, Mapping):
        raise ValueError(f"{where} is {kind_of(fields)}; give an object with its settings {', '.join(known)}")
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise ValueError(f"{where} has {unknown[0]!r}; its settings are {', '.join(known)}")
    try:
        return ContentPolicy(**fields)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
