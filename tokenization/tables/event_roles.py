"""Roles of event types: target (predicted), context of a history, or negative."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

TARGET, CONTEXT, NEGATIVE = 1, 0, -1
"""Roles of events, as in the column `event_roles` of sequences."""
ROLES = "event_roles"
RETURN = "return"
"""Event type of rows with a negative quantity."""
IMPRESSION = "impression"
"""Event type of rows whose column `clicked` is false."""

_NEGATIVE = re.compile(
    r"\b(returns?|returned|returning|refund(s|ed|ing)?|cancel(s|led|ed|lation|lations)?|charge ?backs?|void(ed)?"
    r"|hide|hides|hidden|dislike[sd]?|unlike[sd]?|remove[sd]?|removefrom\w+|removal|delete[sd]?|unsubscribe[sd]?"
    r"|unfollow(s|ed)?|block(s|ed)?|reject(s|ed)?|decline[sd]?|hate[sd]?|skip(s|ped)?|report(s|ed)?|complaints?"
    r"|downvote[sd]?|thumbs? ?down|not ?interested|dismiss(es|ed)?)\b"
    r"|退货|退款|退单|退换|退回|取消|撤销|隐藏|不感兴趣|不喜欢|点踩|踩|拉黑|删除|移除|移出|屏蔽|举报|讨厌|差评|投诉|拒绝|跳过"
)
_SHOWN_WORDS = (r"impressions?|exposures?|exposed|shows?|shown|displays?|displayed", "曝光|展示|展现")
_SHOWN = re.compile(rf"\b({_SHOWN_WORDS[0]})\b|{_SHOWN_WORDS[1]}")
_TIERS = (
    rf"\b({_SHOWN_WORDS[0]}|search(es|ed)?|query|queries|scroll(s|ed)?"
    rf"|hover(s|ed)?|login|logins|logout|sessions?)\b|{_SHOWN_WORDS[1]}|搜索|检索|登录",
    r"\b(views?|viewed|clicks?|clicked|pv|page ?views?|item ?views?|product ?views?|view ?items?|details?|browse[sd]?"
    r"|browsing|detail ?views?|visits?|visited|opens?|opened|select(s|ed)?|preview(s|ed)?)\b"
    r"|浏览|点击|查看|访问|观看|看过|详情",
    r"\b(carts?|add ?to ?(cart|basket|bag|wish ?list)|carted|baskets?|add(s|ed)?|begin|wish ?lists?|favou?rite[sd]?"
    r"|favs?|save[sd]?|collect(s|ed)?|bookmark(s|ed)?|shares?|shared)\b|加购|加入购物车|购物车|收藏|心愿单|关注|分享",
)
"""Names of events weaker than a purchase, the weakest first: impressions, views, carts."""
_PURCHASE = (
    r"\b(purchase[sd]?|buys?|buy ?now|bought|orders?|ordered|transactions?|check ?outs?|sales?|sold|pay|pays|paid"
    r"|payments?|invoices?|invoiced|bookings?|booked|reservations?|reserved|rents?|rented|rentals?)\b"
    r"|购买|已购|买|下单|支付|付款|成交|订单|交易|结算|销售"
)
_KNOWN = tuple(re.compile(pattern) for pattern in (*_TIERS, _PURCHASE))
_OTHER = len(_TIERS) - 0.5
"""Rank of a name without a known word (rating, review, interaction): above carts, below purchases."""
_NEGATED = -1.0
"""Rank of a negated name such as `not purchased`."""
_NEGATION = re.compile(r"\b(not|non|no|never|without|un|\w+n t|cannot)\b(?= ?\S)|未|没|不")
_NEGATED_BEFORE = re.compile(
    r"(\b(not|non|no|never|without|un|\w+n t|cannot)\b( (yet|been|be|fully|being|longer|a|any))* |未|没有?|不)$"
)
_JOINED = re.compile(
    r"\b(un|non)(?=(purchas|buy|bought|order|transact|sold|paid|pay|invoic|book|reserv|rent|view|click|visit|open|shown"
    r"|cart|return|refund|cancel))"
)
"""Negations joined with their word, such as `unpaid`."""


@dataclass(frozen=True)
class EventRoles:
    """Event types by role. A type that is in no list is context.

    Args:
        targets: Types to predict, in training and in evaluation.
        context: Types used only in histories.
        negative: Types of negative feedback, such as returns; also used in histories.
    """

    targets: tuple[str, ...]
    context: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    @property
    def all_targets(self) -> bool:
        """Whether every event type is a target."""
        return not self.context and not self.negative

    def of(self, event_types: pl.Series) -> pl.Series:
        """The role of each event: `TARGET`, `CONTEXT` or `NEGATIVE`."""
        if self.all_targets:
            return pl.Series(ROLES, [TARGET], pl.Int8).new_from_index(0, len(event_types))
        codes = dict.fromkeys(self.targets, TARGET) | dict.fromkeys(self.negative, NEGATIVE)
        roles = event_types.cast(pl.String).replace_strict(codes, default=CONTEXT, return_dtype=pl.Int8)
        return roles.rename(ROLES)

    @classmethod
    def from_dict(cls, named: Mapping[str, str]) -> EventRoles:
        """The roles from the result of `to_dict`."""
        words = ("target", "context", "negative")
        return cls(*(tuple(name for name, role in named.items() if role == word) for word in words))

    def to_dict(self) -> dict[str, str]:
        """The role of each type, in words."""
        named = ((self.targets, "target"), (self.context, "context"), (self.negative, "negative"))
        return {name: role for names, role in named for name in names}

    def __str__(self) -> str:
        parts = (
            ("predicted", self.targets),
            ("context only", self.context),
            ("negative, context only", self.negative),
        )
        return "; ".join(f"{', '.join(names)} ({role})" for role, names in parts if names)


def event_roles(
    event_types: Iterable[str],
    target_event_types: Sequence[str] | None = None,
    negative_event_types: Sequence[str] | None = None,
) -> EventRoles:
    """Assign a role to each event type of a dataset.

    By default the names decide, in English and Chinese. Negative types (return, refund, cancel, hide, dislike, remove)
    are never predicted. Of the other types the strongest are targets: purchases, else types without a known word
    (rating, interaction), else carts and wish lists, else views and clicks, else impressions and searches. A negated
    name (not purchased, unpaid, 未购买) is context. It is an error if all types are negative or negated.

    Args:
        event_types: Event types of the dataset.
        target_event_types: Types to predict; None for the default.
        negative_event_types: Negative types; None for the default. Types in target_event_types are not negative.

    Raises:
        ValueError: If an option names a type that the dataset lacks, both options name one, or nothing is left to
            predict.

    Example:
        >>> print(event_roles(["purchase", "return", "view"]))
        purchase (predicted); view (context only); return (negative, context only)
        >>> print(event_roles(["view", "click"]))
        click, view (predicted)
    """
    names = sorted(set(event_types))
    _check(names, target_event_types=target_event_types, negative_event_types=negative_event_types)
    if negative_event_types is None:
        negative = {name for name in names if is_negative(name)} - set(target_event_types or ())
    else:
        negative = set(negative_event_types)
    if target_event_types is None:
        rest = [name for name in names if name not in negative]
        best = max(map(_rank, rest), default=_NEGATED)
        targets = {name for name in rest if _rank(name) == best > _NEGATED}
    else:
        targets = set(target_event_types)
    both = sorted(targets & negative)
    if both:
        raise ValueError(f"{both[0]!r} is in target_event_types and in negative_event_types; give it in one of them")
    if not targets and names:
        raise ValueError(
            f"no event type is left to predict of {', '.join(names)}: all are negative or negated, by name or by your "
            "options; give target_event_types with the types to predict, or a column event_type with purchases "
            "or views"
        )
    ordered = (targets, set(names) - targets - negative, negative)
    return EventRoles(*(tuple(name for name in names if name in group) for group in ordered))


def saved_roles(event_types: Iterable[str], saved: Mapping[str, Sequence[str] | None]) -> EventRoles:
    """Roles of a dataset's event types, for a model that was trained on another dataset.

    Args:
        event_types: Event types of the dataset.
        saved: Event settings of the model. Without `target_event_types`, as in old checkpoints, every type is a
            target. A type that the model was not trained on is negative if its name is negative, otherwise context. If
            the dataset has none of the model's targets, names decide.
    """
    names = sorted(set(event_types))
    targets, negative = saved.get("target_event_types"), saved.get("negative_event_types") or ()
    if targets is None:
        return EventRoles(tuple(names))
    known = [name for name in names if name in targets]
    if not known:
        return event_roles(names)
    by_name = [name for name in names if name not in known and is_negative(name)]
    return event_roles(names, known, [name for name in names if name in negative or name in by_name])


def is_negative(event_type: str) -> bool:
    """Whether a name is negative, in English or Chinese."""
    return _says(_NEGATIVE, _words(event_type))


def is_impression(event_type: str) -> bool:
    """Whether a name means that an item was shown, in English or Chinese.

    Example:
        >>> is_impression("ad_impression"), is_impression("曝光"), is_impression("search"), is_impression("not shown")
        (True, True, False, False)
    """
    return _says(_SHOWN, _words(event_type))


def _check(names: Collection[str], **given: Sequence[str] | None) -> None:
    for option, wanted in given.items():
        if isinstance(wanted, str):
            raise ValueError(f"{option} is the text {wanted!r}; give a list of event types")
        unknown = [name for name in wanted or () if name not in names]
        if unknown:
            raise ValueError(
                f"{option} has {unknown[0]!r}, which is not an event type of the events; they have {', '.join(names)}"
            )
    if given["target_event_types"] is not None and not given["target_event_types"]:
        raise ValueError("target_event_types is empty; give a type to predict, or leave it out for the default")


def _rank(name: str) -> float:
    """Strength of an event with this name: the weakest known word counts (`view_cart` is a view)."""
    words = _words(name)
    unknown = _NEGATED if _NEGATION.search(words) else _OTHER
    return next((rank for rank, pattern in enumerate(_KNOWN) if _says(pattern, words)), unknown)


def _says(pattern: re.Pattern[str], words: str) -> bool:
    """Whether a word of the pattern is in the name and not negated."""
    return any(not _NEGATED_BEFORE.search(words[: found.start()]) for found in pattern.finditer(words))


def _words(name: str) -> str:
    """A name in lower case with spaces between words: `addToCart` and `add_to_cart` become `add to cart`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+", " ", name)
    return _JOINED.sub(r"\1 ", " ".join(parted.lower().split()))
