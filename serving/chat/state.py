"""ChatState: a dialogue as plain values, so that a client can keep it and send it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .dialogue import MAX_ATTRIBUTES, Understood
from .phrases import PHRASES
from .prices import HIGHEST

if TYPE_CHECKING:
    from .catalogue import ChatCatalogue

LONGEST = 512
"""Characters per text that a state keeps."""
_MOST = {"attributes": MAX_ATTRIBUTES, "things": MAX_ATTRIBUTES, "not_items": 500, "shown": 500}
_MOST_OF_OTHERS = 50
"""Entries per list that a state keeps, the latest ones."""
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class ChatState:
    """What a dialogue needs to go on.

    Args:
        understood: The wishes and limits in force.
        shown: Ids of the items that were listed last.
        proposal: The wishes and limits that the last answer offered; None without an offer.
        noted: Languages in which the customer was told that the shop has another one.
    """

    understood: Understood = field(default_factory=Understood)
    shown: tuple[str, ...] = ()
    proposal: Understood | None = None
    noted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON, of bounded size: of long lists the latest entries are kept."""
        plain: dict[str, Any] = _bounded(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ChatState:
        """Read the values of `to_dict`, which may come from a stranger.

        Args:
            plain: The values; missing ones have their defaults.

        Raises:
            ValueError: If a field is unknown, or a value has the wrong type, is too long, or is no known word.

        Example:
            >>> ChatState.from_dict({"understood": {"categories": ["Tents"]}}).understood.category
            'Tents'
            >>> ChatState.from_dict({"shown": "C1"})
            Traceback (most recent call last):
            ...
            ValueError: state.shown is a value of type str; give a list
        """
        return _object("state", plain, cls)

    def known(self, catalogue: ChatCatalogue) -> ChatState:
        """The state without categories, brands and items that a catalogue lacks, because it was changed since.

        Args:
            catalogue: The catalogue.
        """
        names = {column: set(values) for column, (_, values) in catalogue.words.codes.items()}

        def items(ids: Sequence[str]) -> tuple[str, ...]:
            rows = catalogue.recommender.vocabulary.encode(list(ids))
            return tuple(one for one, row in zip(ids, rows, strict=True) if row >= NUM_SPECIAL_ROWS)

        def kept(one: Understood) -> Understood:
            categories = tuple(name for name in one.categories if name in names["category"])
            return replace(
                one,
                categories=categories,
                names=one.names if categories else (),
                or_words=one.or_words if categories else (),
                brands=tuple(name for name in one.brands if name in names["brand"]),
                not_categories=tuple(name for name in one.not_categories if name in names["category"]),
                not_brands=tuple(name for name in one.not_brands if name in names["brand"]),
                not_items=items(one.not_items),
            )

        proposal = None if self.proposal is None else kept(self.proposal)
        return replace(self, understood=kept(self.understood), shown=items(self.shown), proposal=proposal)


def _bounded(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _bounded(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        kept = [_bounded(one, name) for one in value if not isinstance(one, str) or len(one) <= LONGEST]
        return kept[-_MOST.get(name, _MOST_OF_OTHERS) :]
    return value


def _object(name: str, value: Any, kind: type[_Value]) -> _Value:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "an object")
    types = get_type_hints(kind)
    if unknown := sorted(ascii(key) for key in value if key not in types):
        raise ValueError(f"{name} has the unknown field {unknown[0][:LONGEST]}; give the state of the last answer")
    return kind(**{one: _read(f"{name}.{one}", value[one], types[one]) for one in value})


def _read(name: str, value: Any, kind: Any) -> Any:
    """A value of one of the types of the fields: an object, a list, a text, a number, a truth value or None."""
    if type(None) in get_args(kind):
        return None if value is None else _read(name, value, get_args(kind)[0])
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(name, value, kind)
    if kind is str:
        return _text(name, value)
    if kind is bool and not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and abs(value) <= HIGHEST):  # NaN is not
            raise _wrong(name, value, f"a number up to {HIGHEST:g}")
        return float(value)
    return value if kind is bool else _list(name, value, get_args(kind)[0])


def _list(name: str, value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(name, value, "a list")
    most = _MOST.get(name.rpartition(".")[2], _MOST_OF_OTHERS)
    if len(value) > most:
        raise ValueError(f"{name} has {len(value):,} entries; {most:,} are the limit")
    return tuple(_read(name, one, kind) for one in value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or value.encode("utf-8", "ignore").decode() != value:
        raise _wrong(name, value, "a text")
    if not value or len(value) > LONGEST:
        raise ValueError(f"{name} has {len(value):,} characters; give 1 to {LONGEST:,}")
    if name.endswith((".language", ".noted")) and value not in PHRASES:
        raise ValueError(f"{name} is {value!r}; give one of {', '.join(PHRASES)}")
    return value


def _wrong(name: str, value: Any, wanted: str) -> ValueError:
    return ValueError(f"{name} is a value of type {type(value).__name__}; give {wanted}")
