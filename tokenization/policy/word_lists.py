"""Word lists of the content policy, and the words of a text that are in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import NamedTuple

from ..text.hidden_characters import HAN
from .folding import masked_words, plain_text, revealed_texts, spread_runs, words_joined, words_of

FILES = ("english.txt", "chinese.txt")
"""Lists of the package, in the folder `lists`."""
_LEAST_MASKED, _LEAST_SPREAD, _LEAST_HIDDEN = 5, 4, 4
"""Letters of a word that is found behind signs, in a run of spread letters, or hidden otherwise."""
_SECTION = re.compile(r"\[([\w-]+)\]")
_HAN = re.compile(f"[{HAN}]")


class Found(NamedTuple):
    """A word of a list that a text has.

    Args:
        category: Its category.
        word: The word as it is in the list.
        hidden: Whether it is only found in a reading of the text; see `revealed_texts`.
        certain: Whether the word has no other meaning.
    """

    category: str
    word: str
    hidden: bool = False
    certain: bool = True


@dataclass
class WordList:
    """Words of one category.

    Args:
        words: Words and phrases, each with whether it has no other meaning.
        exceptions: Phrases that are not meant.
        context: Words in whose company a word with other meanings does not count.
        of_han: Words in Latin letters that count only in texts with Han characters.
    """

    words: dict[str, bool] = field(default_factory=dict)
    exceptions: list[str] = field(default_factory=list)
    context: set[str] = field(default_factory=set)
    of_han: set[str] = field(default_factory=set)


def read_lists(text: str, lists: dict[str, WordList] | None = None, *, chinese: bool = False) -> dict[str, WordList]:
    r"""Read word lists, by category; the head of `lists/english.txt` has the signs.

    Args:
        text: Content of a file.
        lists: Lists to add to.
        chinese: Whether words in Latin letters count only in texts with Han characters.

    Raises:
        ValueError: If a word stands before the first category.

    Example:
        >>> found = read_lists("[alcohol]\nvodka\n? rum\n- rum cake\n! candy")["alcohol"]
        >>> found.words, found.exceptions, found.context
        ({'vodka': True, 'rum': False}, ['rum cake'], {'candy'})
    """
    lists = {} if lists is None else lists
    current: WordList | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if name := _SECTION.fullmatch(line):
            current = lists.setdefault(name[1], WordList())
            continue
        if current is None:
            raise ValueError(f"word list, line {number}: {line!r} stands before the first [category]; write one above")
        sign, _, rest = line.partition(" ")
        if sign == "-":
            current.exceptions.append(plain_text(rest))
        elif sign == "!":
            current.context |= {_stem(word) for word in plain_text(rest).split()}
        else:
            word = plain_text(rest if sign == "?" else line)
            current.words[word] = sign != "?"
            if chinese and not _HAN.search(word):
                current.of_han.add(word)
    return lists


@cache
def package_lists() -> Mapping[str, WordList]:
    """The lists of the package, by category."""
    lists: dict[str, WordList] = {}
    for name in FILES:
        text = (files(__package__) / "lists" / name).read_text(encoding="utf-8")
        read_lists(text, lists, chinese=name.startswith("chinese"))
    return lists


class WordFinder:
    """Finds the words of lists in texts.

    Words in Latin letters are found as whole words, also in their plural in -s; words in Han characters anywhere.

    Args:
        lists: Lists by category.

    Example:
        >>> finder = WordFinder({"alcohol": WordList({"vodka": True, "香烟": True})})
        >>> finder.find("Vodkas, 1 l"), finder.find("v.o.d.k.a")[0].hidden, finder.find("vodkatini")
        ([Found(category='alcohol', word='vodka', hidden=False, certain=True)], True, [])
    """

    def __init__(self, lists: Mapping[str, WordList]) -> None:
        self._context = {name: one.context for name, one in lists.items()}
        self._phrases: dict[str, list[_Phrase]] = {}
        self._han: dict[str, list[_Phrase]] = {}
        for category, one in lists.items():
            for word, certain in one.words.items():
                self._add(_Phrase(category, word, certain, of_han=word in one.of_han))
            for word in one.exceptions:
                self._add(_Phrase(category, word, True, meant=False))
        self._single = {
            (category, phrase.word)
            for phrases in self._phrases.values() for phrase in phrases
            for category in (phrase.category,) if phrase.meant and len(phrase.stems) == 1
        }  # fmt: skip

    def _add(self, phrase: _Phrase) -> None:
        if phrase.is_han:
            self._han.setdefault(phrase.word[0], []).append(phrase)
        elif phrase.stems:
            self._phrases.setdefault(phrase.stems[0], []).append(phrase)

    def find(self, text: str) -> list[Found]:
        """Words of the lists in a text, each once; plainly written words come first.

        Args:
            text: The text as it is written.
        """
        plain = plain_text(text)
        places = self._places(plain)
        found = dict.fromkeys(Found(one.category, one.word, False, one.certain) for one in self._meant(places, plain))
        known = {words_joined(phrase.word) for phrase, *_ in places}
        for reading in (*revealed_texts(text), *self._unmasked(plain)):
            for one in self._meant(self._places(reading), reading):
                if len(one.word) >= one.least_hidden and words_joined(one.word) not in known:
                    found[Found(one.category, one.word, True, one.certain)] = None
        for category, word in (*self._masked(text), *self._spread(text)):
            if word not in known:
                found[Found(category, word, True, True)] = None
        return list(found)

    def _places(self, folded: str) -> list[_Place]:
        """The phrases in a folded text, each with its first and last place among the words or characters."""
        stems = [_stem(word) for word in words_of(folded)]
        places: list[_Place] = [
            (phrase, start, start + len(phrase.stems))
            for start, stem in enumerate(stems)
            for phrase in self._phrases.get(stem, ())
            if stems[start : start + len(phrase.stems)] == phrase.stems
        ]
        if _HAN.search(folded):
            places += [
                (phrase, start, start + len(phrase.word))
                for start, one in enumerate(folded)
                for phrase in self._han.get(one, ())
                if folded.startswith(phrase.word, start)
            ]
            return places
        return [place for place in places if not place[0].of_han]

    def _meant(self, places: Sequence[_Place], folded: str) -> Iterator[_Phrase]:
        """Phrases outside of exceptions; ambiguous ones only without a word of their other meanings."""
        excepted = {
            (phrase.category, phrase.is_han, place)
            for phrase, start, stop in places
            if not phrase.meant
            for place in range(start, stop)
        }
        stems = {_stem(word) for word in words_of(folded)} if places else set()
        for phrase, start, stop in places:
            covered = ((phrase.category, phrase.is_han, place) in excepted for place in range(start, stop))
            if not phrase.meant or any(covered):
                continue
            if phrase.certain or not self._context[phrase.category] & stems:
                yield phrase

    def _unmasked(self, folded: str) -> list[str]:
        """A text with its masked words as words of the lists of the same length, if there are any."""
        reading = folded
        for pattern in masked_words(folded):
            matching = re.compile(pattern.replace("?", "."))
            word = next((one for one in self._words_of_phrases if matching.fullmatch(one)), None)
            if word is not None:
                reading = re.sub(re.escape(pattern).replace(r"\?", r"[*#_]"), word, reading)
        return [] if reading == folded else [reading]

    @cached_property
    def _words_of_phrases(self) -> list[str]:
        words = {word for phrases in self._phrases.values() for one in phrases for word in words_of(one.word)}
        return sorted(word for word in words if len(word) >= _LEAST_MASKED)

    def _masked(self, text: str) -> Iterable[tuple[str, str]]:
        """Words with letters replaced by signs: single words of the lists of the same length."""
        for pattern in masked_words(text):
            letters = sum(one != "?" for one in pattern)
            if len(pattern) < _LEAST_MASKED or 2 * letters < len(pattern):
                continue
            matching = re.compile(pattern.replace("?", "."))
            yield from (pair for pair in self._single if matching.fullmatch(pair[1]))

    def _spread(self, text: str) -> Iterable[tuple[str, str]]:
        """Words in runs of spread letters, in which the gaps between words are lost."""
        for run in spread_runs(text):
            yield from (pair for pair in self._single if len(pair[1]) >= _LEAST_SPREAD and pair[1] in run)


class _Phrase:
    """A word or phrase of a list.

    Args:
        category: Its category.
        word: The word.
        certain: Whether it has no other meaning.
        meant: False for an exception.
        of_han: Whether it counts only in texts with Han characters, such as "SM" of the Chinese list.
    """

    def __init__(self, category: str, word: str, certain: bool, *, meant: bool = True, of_han: bool = False) -> None:
        self.category, self.word, self.certain, self.meant, self.of_han = category, word, certain, meant, of_han
        self.stems = [_stem(part) for part in words_of(word)]
        self.is_han = bool(_HAN.search(word))
        self.least_hidden = 2 if self.is_han else _LEAST_HIDDEN


_Place = tuple[_Phrase, int, int]


def _stem(word: str) -> str:
    """A word without the -s of its plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
