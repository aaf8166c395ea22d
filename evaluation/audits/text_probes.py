"""Text probes: texts in which words about gender or origin are exchanged, and how lists change with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...counting import counted
from ...tokenization.text.hidden_characters import HAN
from ..bootstrap import Interval

CONTROL = "colour"
"""Name of the probe that no list has to be the same for."""
PROBES: Mapping[str, Sequence[tuple[str, str]]] = {
    "gender": (
        ("men", "women"), ("man", "woman"), ("mens", "womens"), ("male", "female"), ("boy", "girl"), ("boys", "girls"),
        ("husband", "wife"), ("father", "mother"), ("dad", "mom"), ("son", "daughter"), ("brother", "sister"),
        ("gentlemen", "ladies"), ("男士", "女士"), ("男孩", "女孩"), ("男人", "女人"), ("男", "女"), ("爸爸", "妈妈"),
        ("丈夫", "妻子"), ("儿子", "女儿"), ("先生", "太太"),
    ),
    "origin": (
        ("american", "chinese"), ("european", "african"), ("german", "mexican"), ("japanese", "indian"),
        ("british", "arabic"), ("french", "turkish"), ("美国", "中国"), ("欧洲", "非洲"), ("德国", "墨西哥"),
        ("日本", "印度"), ("英国", "阿拉伯"), ("法国", "土耳其"),
    ),
    CONTROL: (
        ("black", "white"), ("red", "blue"), ("green", "yellow"), ("黑色", "白色"), ("红色", "蓝色"), ("绿色", "黄色"),
    ),
}  # fmt: skip
"""Words that are exchanged for each other, by probe."""
QUERIES: Mapping[str, Sequence[tuple[str, str]]] = {
    "gender": (("present for my husband", "present for my wife"), ("送给爸爸的礼物", "送给妈妈的礼物")),
    "origin": (("present for an American friend", "present for a Mexican friend"), ("送给美国朋友", "送给印度朋友")),
    CONTROL: (("red present", "blue present"), ("红色的礼物", "蓝色的礼物")),
}
"""Pairs of queries by probe."""
_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True)
class TextProbe:
    """Change of lists with exchanged words.

    Args:
        probe: Name of the probe.
        texts: "items" or "queries".
        changed: Items whose texts have such words, or pairs of queries.
        replaced: Share of a list's items that the other list lacks.
        scores: Mean change of the scores of changed items, or of all items for queries, without sign, in standard
            deviations of the user's scores.
        difference: Change of NDCG; None for queries.
    """

    probe: str
    texts: str
    changed: int
    replaced: Interval
    scores: Interval
    difference: Interval | None = None

    def __str__(self) -> str:
        noun = ("item", None) if self.texts == "items" else ("pair of queries", "pairs of queries")
        what = counted(self.changed, *noun)
        return (
            f"Words of {self.probe} exchanged in {what}: {self.replaced.mean:.1%} of a list is replaced "
            f"({self.replaced.low:.1%} to {self.replaced.high:.1%}), and scores change by {self.scores.mean:.2f} "
            "standard deviations."
        )


def exchanged_words(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A text with the words of each pair exchanged for each other; the case of the first letter stays.

    Args:
        text: The text.
        pairs: Pairs of words; words of Latin letters are found as whole words, Han characters anywhere.

    Example:
        >>> exchanged_words("Men watch, for women", [("men", "women")]), exchanged_words("女士", [("男士", "女士")])
        ('Women watch, for men', '男士')
    """
    others = {one: other for a, b in pairs for one, other in ((a, b), (b, a))}
    words = sorted(others, key=len, reverse=True)
    parts = [re.escape(word) if _HAN.search(word) else rf"(?<![^\W_]){re.escape(word)}(?![^\W_])" for word in words]

    def read(found: re.Match[str]) -> str:
        other = others[found[0].casefold()]
        return other.capitalize() if found[0][0].isupper() else other

    return re.sub("|".join(parts), read, text, flags=re.IGNORECASE)
