"""Price limits in a text: numbers in digits and words, currencies, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from ...modeling_xcat.conditions_xcat import Condition
from .lexicon import Lexicon, PriceWords

_NEAR = 0.25
"""Half width of a price that is meant roughly: "around 20" is 15 to 25."""
HIGHEST = 1e12
"""Highest price that is read; a number with 400 digits would be infinite, which JSON does not have."""
_ROUGH = ("around", "or_so", "bare")
"""Kinds of prices that yield to limits of the same text."""
_CLAUSE_END = r"[,.;!?|，。；！？]"
GAP = " | "
"""Replaces text that was read; it keeps the words around it apart."""
_RANGE_BEFORE = r"(?:\d|[元块圆]|dollars?|bucks|euros?|pounds?|usd)\s*$"
"""End of a price, so that a hyphen behind it is that of a range."""


@dataclass(frozen=True)
class PriceLimits:
    """Limits of the price.

    Args:
        minimum: Lowest price; None for none.
        maximum: Highest price; None for none.
        above_minimum: Whether the price has to be higher than `minimum`.
        below_maximum: Whether the price has to be lower than `maximum`.
        currency: ISO 4217 code; None if it was not said.
    """

    minimum: float | None = None
    maximum: float | None = None
    above_minimum: bool = False
    below_maximum: bool = False
    currency: str | None = None

    def __bool__(self) -> bool:
        return self.minimum is not None or self.maximum is not None

    @property
    def conditions(self) -> list[Condition]:
        """The limits as conditions on the column price, without the currency.

        Example:
            >>> [str(condition) for condition in PriceLimits(5.0, 20.0, below_maximum=True).conditions]
            ['price>=5.0', 'price<20.0']
        """
        lower, upper = (">" if self.above_minimum else ">="), ("<" if self.below_maximum else "<=")
        limits = ((lower, self.minimum), (upper, self.maximum))
        return [Condition("price", operator, (repr(value),)) for operator, value in limits if value is not None]

    @property
    def is_possible(self) -> bool:
        """Whether a price can be within the limits."""
        if self.minimum is None or self.maximum is None or self.minimum < self.maximum:
            return True
        return self.minimum == self.maximum and not (self.above_minimum or self.below_maximum)

    def refined(self, newer: PriceLimits) -> PriceLimits:
        """These limits with newer ones in place of those of the same side.

        A newer limit also ends the other side if they contradict each other or are in different currencies.

        Example:
            >>> PriceLimits(20.0, 100.0).refined(PriceLimits(maximum=10.0))
            PriceLimits(minimum=None, maximum=10.0, above_minimum=False, below_maximum=False, currency=None)
        """
        if newer and newer.currency and self.currency and newer.currency != self.currency:
            return newer
        low, high = (newer.minimum is not None), (newer.maximum is not None)
        merged = PriceLimits(
            newer.minimum if low else self.minimum,
            newer.maximum if high else self.maximum,
            newer.above_minimum if low else self.above_minimum,
            newer.below_maximum if high else self.below_maximum,
            newer.currency or self.currency,
        )
        return merged if merged.is_possible else replace(newer, currency=merged.currency)

    def joined(self, other: PriceLimits, *, roughly: bool = False) -> PriceLimits:
        """These limits and others of the same text; both stay if they contradict each other.

        Args:
            other: The others; in another currency they replace these.
            roughly: Whether the others yield to these, such as "around 20" to "under 18".

        Example:
            >>> PriceLimits(maximum=5.0).joined(PriceLimits(minimum=10.0)).is_possible
            False
        """
        if other.currency and self.currency and other.currency != self.currency:
            return other
        first, second = (self, other) if roughly else (other, self)
        low = first if first.minimum is not None else second
        high = first if first.maximum is not None else second
        both = PriceLimits(
            low.minimum, high.maximum, low.above_minimum, high.below_maximum, other.currency or self.currency
        )
        return self if roughly and self and not both.is_possible else both

    def with_comparison(self, compared: PriceLimits, said: PriceLimits) -> PriceLimits:
        """These limits, and the ones that a comparison such as "cheaper" has set, where those are tighter.

        Args:
            compared: The limits in force before.
            said: The limits that had been named before; where `compared` differs, it is from a comparison.

        Example:
            >>> PriceLimits(maximum=200.0).with_comparison(PriceLimits(maximum=80.0), PriceLimits()).maximum
            80.0
        """
        merged = self
        if self.currency and compared.currency and self.currency != compared.currency:
            return self
        low, high = compared.minimum, compared.maximum
        if high is not None and high != said.maximum and (self.maximum is None or high <= self.maximum):
            merged = replace(merged, maximum=high, below_maximum=compared.below_maximum)
        if low is not None and low != said.minimum and (self.minimum is None or low >= self.minimum):
            merged = replace(merged, minimum=low, above_minimum=compared.above_minimum)
        return merged if merged.is_possible else self


def read_prices(text: str, lexicon: Lexicon) -> tuple[PriceLimits, str]:
    """Price limits of a folded text, and the text without them.

    Args:
        text: The text.
        lexicon: Its language.

    Example:
        >>> from .english import ENGLISH
        >>> read_prices("tents under 5 dollars", ENGLISH)
        (PriceLimits(minimum=None, maximum=5.0, above_minimum=False, below_maximum=True, currency='USD'), 'tents  | ')
        >>> from .chinese import CHINESE
        >>> read_prices("不超过五十块的帐篷", CHINESE)[0].maximum
        50.0
    """
    limits = PriceLimits()
    for kind, pattern in _patterns(lexicon):

        def read(found: re.Match[str], kind: str = kind) -> str:
            nonlocal limits
            if kind == "bare_range" and not _is_of_prices(found, lexicon.prices):
                return found[0]
            first = _amount(found, "a", lexicon.prices)
            second = _amount(found, "b", lexicon.prices) if "b_number" in found.re.groupindex else None
            limits = limits.joined(_limits(kind, first, second), roughly=kind in _ROUGH)
            return GAP

        text = pattern.sub(read, text)
    return limits, text


def without_negatives(text: str, lexicon: Lexicon) -> tuple[list[str], str]:
    """Prices below zero in a folded text, and the text without them.

    The lower end of a range becomes 0.

    Args:
        text: The text.
        lexicon: Its language.

    Example:
        >>> from .english import ENGLISH
        >>> without_negatives("tents under -5 dollars", ENGLISH)
        (['-5 dollars'], 'tents  | ')
        >>> without_negatives("a bag for -5 degrees", ENGLISH)
        ([], 'a bag for -5 degrees')
    """
    found: list[str] = []
    for pattern, replacement in _negative_patterns(lexicon):

        def refuse(match: re.Match[str], replacement: str = replacement) -> str:
            before = match.string[: match.start("negative")]
            if match["negative"] in "-−–" and re.search(_RANGE_BEFORE, before):
                return match[0]  # "$10 -20", "10元-20元"
            found.append(match[0][match.start("negative") - match.start() :].strip())
            return replacement

        text = pattern.sub(refuse, text)
    return found, text


def _limits(kind: str, first: tuple[float, str | None], second: tuple[float, str | None] | None) -> PriceLimits:
    value, currency = first
    if second is not None:
        low, high = sorted((value, second[0]))
        return PriceLimits(low, high, currency=second[1] or currency)
    if kind in ("below", "or_below"):
        return PriceLimits(maximum=value, below_maximum=True, currency=currency)
    if kind == "above":
        return PriceLimits(minimum=value, above_minimum=True, currency=currency)
    if kind in ("at_least", "or_more"):
        return PriceLimits(minimum=value, currency=currency)
    if kind in ("around", "or_so"):
        return PriceLimits(value * (1 - _NEAR), value * (1 + _NEAR), currency=currency)
    return PriceLimits(maximum=value, currency=currency)


def _is_of_prices(found: re.Match[str], words: PriceWords) -> bool:
    """Whether the clause around a range without a currency has a word such as "price"."""
    before, after = found.string[: found.start()], found.string[found.end() :]
    clause = f"{re.split(_CLAUSE_END, before)[-1]} {re.split(_CLAUSE_END, after)[0]}"
    return re.search(words.about, clause) is not None


class _Amounts:
    """Patterns of a number with a currency; the groups of each begin with a name."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._words, self._spaced = lexicon.prices, lexicon.spaced
        names = (*self._words.currencies, *self._words.hundredths)
        self._money = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))

    def strict(self, name: str) -> str:
        """A number with its currency."""
        edge, cents = r"(?![^\W\d_])", ""
        if not self._spaced:
            edge, cents = "", rf"(?:(?P<{name}_rest>\d|[一二三四五六七八九])(?!\d)[角毛]?)?"
        plain = rf"(?P<{name}_number>{self._words.number})\s*(?P<{name}_currency>(?:{self._money}){edge})"
        sign = rf"(?:(?P<{name}_sign>{self._money})\s*)"
        return rf"(?:{plain}{cents}|{sign}(?P<{name}_signed>{self._words.number}))"

    def plain(self, name: str) -> str:
        """The same, or a number that no other unit follows."""
        bare = rf"(?P<{name}_bare>{self._words.number})(?=\s*(?:{self._words.after}))"
        return rf"(?:{self.strict(name)}|{bare})"

    def loose(self, name: str) -> str:
        """The same, or any number."""
        return rf"(?:{self.strict(name)}|(?P<{name}_loose>{self._words.number}))"


@cache
def _negative_patterns(lexicon: Lexicon) -> list[tuple[re.Pattern[str], str]]:
    """Patterns of prices below zero, each with its replacement."""
    words, amounts = lexicon.prices, _Amounts(lexicon)
    start = r"(?<![^\W_])" if lexicon.spaced else ""
    kinds = ("at_most", "at_least", "below", "above", "around")
    cue = "|".join(pattern for kind in kinds if (pattern := getattr(words, kind)))
    money = "|".join(map(re.escape, words.currencies))
    sign = rf"(?P<negative>{words.negative})\s*"
    first = rf"(?:(?:{money})\s*(?={words.negative}))?{sign}"
    after = rf"\s*(?:{words.or_less}|{words.or_below}|{words.or_more}|{words.or_so})"
    filler = r"\s*(?:the |just |only |about |around )?"
    low = rf"{first}(?:{money})?\s*{words.number}\s*(?:{money})?"
    return [
        (re.compile(rf"{low}(?=\s*(?:{words.to})\s*{amounts.plain('b')})"), "0 "),
        (re.compile(rf"(?:{start}(?:{cue}){filler})?{first}{amounts.loose('a')}{after}"), GAP),
        (re.compile(rf"{start}(?:{cue}){filler}{first}{amounts.plain('a')}"), GAP),
        (re.compile(rf"{first}{amounts.strict('a')}"), GAP),
    ]


@cache
def _patterns(lexicon: Lexicon) -> list[tuple[str, re.Pattern[str]]]:
    """Patterns in order of precedence, each with the kind of its limit."""
    words, spaced, amounts = lexicon.prices, lexicon.spaced, _Amounts(lexicon)
    start = r"(?<![^\W_])" if spaced else ""
    strict, plain, loose = amounts.strict, amounts.plain, amounts.loose
    after_range = rf"(?:\s*(?:{words.range_end}))?" if words.range_end else ""
    ranges = [
        rf"{start}(?:{words.between})\s*{loose('a')}\s*(?:{words.to})\s*{plain('b')}{after_range}",
        rf"{loose('a')}\s*(?:{words.to})\s*{strict('b')}{after_range}",
        rf"{strict('a')}\s*(?:{words.to})\s*{loose('b')}{after_range}",
    ]
    if words.range_end:
        ranges.append(rf"{loose('a')}\s*(?:{words.to})\s*{loose('b')}\s*(?:{words.range_end})")
    found = [("between", pattern) for pattern in ranges]
    found += [
        (kind, rf"{_cue(words, kind, start)}{loose('a')}\s*(?:{getattr(words, kind)})(?![^\W\d_]*\d)")
        for kind in ("or_less", "or_below", "or_more", "or_so")
    ]
    filler = r"\s*(?:the |just |only |about |around )?" if spaced else r"\s*"
    found[len(ranges) : len(ranges)] = [
        (kind, rf"{pattern}{words.refused}") for kind, pattern in (
            ("at_least", rf"{loose('a')}\s*(?:{words.or_less})"), ("at_most", rf"{loose('a')}\s*(?:{words.or_more})"),
            ("at_most", rf"{start}(?:{words.above}){filler}{loose('a')}"),
            ("at_least", rf"{start}(?:{words.below}){filler}{loose('a')}"),
        )
    ]  # fmt: skip
    turned = [("at_most", words.above), ("at_least", words.below)]
    found += [(kind, rf"{start}(?:{words.negated})\s*(?:{cue}){filler}{plain('a')}") for kind, cue in turned]
    if words.compared:
        for kind, before, cue in (
            ("at_most", words.negated, words.dearer), ("at_least", words.negated, words.cheaper),
            ("above", "", words.dearer), ("below", "", words.cheaper),
        ):  # fmt: skip
            found.append((kind, rf"(?:{before})(?:{words.compared})\s*{loose('a')}\s*(?:{cue})"))
    found += [
        (kind, rf"{start}(?:{getattr(words, kind)}){filler}{plain('a')}")
        for kind in ("at_most", "at_least", "below", "above", "around")
    ]
    found.append(("bare", rf"{strict('a')}{words.bare_after}"))
    last = rf"{loose('b')}(?=\s*(?:{words.after}|{words.about}))"
    found.append(("bare_range", rf"{start}{loose('a')}\s*(?:[-–—~]|to|到|至)\s*{last}"))
    return [(kind, re.compile(pattern)) for kind, pattern in found]


def _cue(words: PriceWords, kind: str, start: str) -> str:
    """The words before a number that may stand beside those after it: "at most 5 or less"."""
    before = {"or_less": words.at_most, "or_below": words.below, "or_more": words.at_least, "or_so": words.around}[
        kind
    ]
    return rf"(?:{start}(?:{before})\s*)?"


def _amount(found: re.Match[str], name: str, words: PriceWords) -> tuple[float, str | None]:
    """Value and currency of a number."""
    groups = found.groupdict()
    kinds = ("number", "signed", "bare", "loose")
    text = next(groups[f"{name}_{kind}"] for kind in kinds if groups.get(f"{name}_{kind}"))
    value = number_value(text, words.digits)
    unit = groups.get(f"{name}_currency") or groups.get(f"{name}_sign")
    if unit is not None and unit in words.hundredths:
        return value * words.hundredths[unit], None
    if rest := groups.get(f"{name}_rest"):
        value += number_value(rest, words.digits) / 10
    return value, None if unit is None else words.currencies[unit]


def number_value(text: str, digits: Mapping[str, int]) -> float:
    """Value of a number in digits or words.

    Args:
        text: The number.
        digits: Words for numbers, with their values.

    Example:
        >>> from .english import ENGLISH
        >>> from .chinese import CHINESE
        >>> [number_value(text, ENGLISH.prices.digits) for text in ("1,200.50", "twenty-five", "two hundred and ten")]
        [1200.5, 25.0, 210.0]
        >>> [number_value(text, CHINESE.prices.digits) for text in ("五十", "一百五", "两千三百", "3千", "十二")]
        [50.0, 150.0, 2300.0, 3000.0, 12.0]
    """
    if written := re.fullmatch(r"([\d,]*\.?\d+)\s*([k百千万]?)", text):
        plain = written[1]
        plain = plain.replace(",", ".") if re.fullmatch(r"\d+,\d{2}", plain) else plain.replace(",", "")
        return min(float(plain) * {"": 1, "k": 1000, "百": 100, "千": 1000, "万": 10_000}[written[2]], HIGHEST)
    total = part = 0.0
    last = 1
    words = re.findall(r"[a-z]+", text) if text.isascii() else list(text)
    for word in words:
        value = digits.get(word)
        if value is None:
            continue
        if value >= 10_000:
            total, part = (total + part) * value, 0.0
        elif value >= 100 or (value == 10 and not text.isascii()):
            unit = part if part else 1.0
            total, part, last = total + unit * value, 0.0, value
        else:
            part = part + value if text.isascii() else float(value)
            if not text.isascii() and value == 0:
                last = 1
    if not text.isascii() and part and last > 10 and words[-2:-1] and digits.get(words[-2], 0) >= 100:
        part *= last / 10  # 一百五 is 150
    return min(total + part, HIGHEST)
