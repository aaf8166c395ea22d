"""States of a history that was read before, so that its next event costs one step and not a new encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch

from .fusion_xcat import ReadMemory
from .layout_xcat import SequenceLayout
from .memory_xcat import MemoryInputs
from .recent_events_xcat import RecentEvents

_CODES = ("item_ids", "event_type_ids", "rating_ids", "time_gap_ids")
"""Inputs with one value per event; equal values of an event and of all events before it give equal states."""
_PER_EVENT = (*_CODES, "attention_mask", "position_ids", "item_embeds")
_TEXTS = ("user_text_input_ids", "user_text_attention_mask")
_OF_MEMORY = {*_TEXTS, *(field.name for field in fields(MemoryInputs))} - {"item_ids", "layout", "items"}


class XCatPast:
    """Cached states of one history.

    It stores the inputs that it has read. Each call compares its inputs with them and encodes only what follows the
    events that both have in common. So the result is that of a new encoding, whatever has changed: an event was added,
    inserted or deleted, or the oldest ones were dropped, after which every position differs and nothing is reused.

    A causal transformer keeps keys and values of every event, a GRU or LSTM its state after the last event, and
    cross-attention the keys and values of the events' texts. Texts and interests of the user are read again. An
    encoder without `read_next`, such as a bidirectional one, encodes the history again if the inputs differ.

    Args:
        slack: Events that a history loses when it gets longer than the model reads. With 0 it loses one per event, as
            in a batch, and is encoded again for each. With n it is encoded again every n + 1 events.

    Attributes:
        encoded: Number of events that were encoded so far.

    Raises:
        ValueError: If `slack` is negative.
    """

    def __init__(self, slack: int = 0) -> None:
        if slack < 0:
            raise ValueError(f"slack is {slack}; give 0 or more events")
        self.slack, self.encoded = slack, 0
        self._forget()

    def _forget(self) -> None:
        self._codes: torch.Tensor | None = None
        self._names: list[str] = []
        self._others: dict[str, torch.Tensor] = {}
        self._length = 0
        self._earlier: Any = None
        self._memory: ReadMemory | None = None
        self._last: torch.Tensor | None = None
        self._state: torch.Tensor | None = None
        self._whole: torch.Tensor | None = None
        self._model, self._reads_next = None, False

    def window(self, events: int, max_history: int) -> int:
        """Number of the latest events that are read; it depends on the length of the history only.

        Args:
            events: Events of the history.
            max_history: Events that the model reads.

        Example:
            >>> [XCatPast(slack=2).window(events, 5) for events in range(4, 11)]
            [4, 5, 3, 4, 5, 3, 4]
        """
        slack = min(self.slack, max_history - 1)
        return events if events <= max_history else max_history - slack + (events - max_history - 1) % (slack + 1)

    @torch.no_grad()
    def state(self, base: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The state at the last event of a history.

        Args:
            base: The `XCatModel`, in evaluation mode.
            inputs: Inputs of the model for one history, without padding.

        Returns:
            (1, hidden) state, as of `encode_queries`.
        """
        found = self.known_state(base, inputs)
        if found is not None:
            return found
        codes = _codes_of(inputs)
        try:
            state = self._next(base, inputs, self._common(codes)) if self._reads_next else self._again(base, inputs)
        except BaseException:
            self._forget()  # layers of different lengths must not be read again
            raise
        self._codes, self._length = codes, codes.shape[1]
        self.keep(inputs, state)
        return state

    def known_state(self, base: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """The cached state, if it is that of these inputs; see `state`."""
        names = [name for name in _CODES if name in inputs]
        if self._model is not base or names != self._names:
            self._forget()
            self._model, self._reads_next, self._names = base, reads_next(base), names
        if self._state is None or self._whole is None or not torch.equal(self._whole, _codes_of(inputs)):
            return None
        return self._state if _equal(_memory_of(inputs), self._others) else None

    def starts_over(self, inputs: Mapping[str, torch.Tensor]) -> bool:
        """Whether no cached event is of use for inputs whose state is not known."""
        return not self._reads_next or self._common(_codes_of(inputs)) == 0

    def keep(self, inputs: Mapping[str, torch.Tensor], state: torch.Tensor) -> None:
        """Take over the (1, hidden) state of inputs, which was computed elsewhere."""
        self._whole, self._others, self._state = _codes_of(inputs), _memory_of(inputs), state

    def _again(self, base: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        self.encoded += inputs["item_ids"].shape[1]
        found: torch.Tensor = base.encode_queries(**inputs)[0]
        return found

    def _next(self, base: Any, inputs: Mapping[str, torch.Tensor], known: int) -> torch.Tensor:
        """Encode the events after the first `known` ones, and fuse the last."""
        length = inputs["item_ids"].shape[1]
        if known < self._length:
            self._cut(base, min(known, length - 1))  # the state of the last event is not kept for others
            known = self._length
        layout = SequenceLayout(torch.zeros_like(inputs["position_ids"]), inputs["position_ids"])
        positions = base.position_embeddings(layout.position_ids)
        if known < length:
            self._read(base, inputs, positions, known)
        assert self._last is not None
        states = self._last
        if base.fusion is not None:
            given = {name: inputs[name] for name in _OF_MEMORY if name in inputs}
            memory = base.memory_inputs(inputs["item_ids"], layout, positions, **given)
            states, self._memory = base.fusion.read_next(states, memory, length - known, self._memory)
        found: torch.Tensor = base.output_norm(states)[:, 0]
        return found

    def _read(self, base: Any, inputs: Mapping[str, torch.Tensor], positions: torch.Tensor, known: int) -> None:
        """Encode the events after the first `known` ones."""
        items, *codes = (inputs[name][:, known:] if name in inputs else None for name in _CODES)
        embedded = inputs["item_embeds"][:, known:] if "item_embeds" in inputs else base.embed_items(items)
        states = base.embed_events(embedded + positions[:, known:], *codes)
        if base.encoder is not None:
            earlier = base.encoder.no_events() if known == 0 else self._earlier
            states, self._earlier = base.encoder.read_next(states, earlier)
        self._last, self.encoded = states[:, -1:], self.encoded + states.shape[1]

    def _cut(self, base: Any, known: int) -> None:
        """Forget the events after the first `known` ones."""
        kept = base.encoder is None or (self._length and base.encoder.forget_after(self._earlier, known) is not None)
        if known == 0 or not kept:
            self._earlier, self._memory, self._length = None, None, 0
            return
        if self._memory is not None:
            self._memory.forget_after(known)
        self._length = known

    def _common(self, codes: torch.Tensor) -> int:
        """Number of events, from the oldest on, whose codes equal the cached ones; codes are (inputs, length)."""
        if self._codes is None:
            return 0
        common = min(self._length, codes.shape[1])
        different = (codes[:, :common] != self._codes[:, :common]).any(0).nonzero()
        return int(different[0]) if len(different) else common


def next_states(
    base: Any, inputs: Mapping[str, torch.Tensor], pasts: Sequence[XCatPast]
) -> tuple[torch.Tensor, RecentEvents]:
    """States and latest events of histories, with their cached states.

    Args:
        base: The `XCatModel`, in evaluation mode.
        inputs: Its inputs, one history per row, padded on the right, with `query_positions`.
        pasts: Cached states of each history.

    Returns:
        (histories, hidden) states and the events before them, as of `encode_queries`.
    """
    lengths, width = inputs["attention_mask"].sum(1).tolist(), inputs["item_ids"].shape[1]
    own = []
    for row, length in enumerate(lengths):
        one = {name: value[row : row + 1] for name, value in inputs.items() if name != "query_positions"}
        own.append(one | {name: one[name][:, :length] for name in _PER_EVENT if name in one})
    new = {
        id(past): row
        for row, past in enumerate(pasts)
        if past.known_state(base, own[row]) is None and past.starts_over(own[row])
    }
    if len(new) > 1:  # histories without a cached event are encoded together
        rows = torch.tensor([*new.values()], device=inputs["item_ids"].device)
        ends = torch.tensor([number * width + lengths[row] - 1 for number, row in enumerate(new.values())])
        part = {name: value[rows] for name, value in inputs.items() if name != "query_positions"}
        states = base.encode_queries(ends.to(rows.device), **part)[0]
        for row, state in zip(new.values(), states.split(1), strict=True):
            pasts[row].keep(own[row], state)
            pasts[row].encoded += lengths[row]
    found = [past.state(base, one) for past, one in zip(pasts, own, strict=True)]
    layout = SequenceLayout.from_inputs(inputs["item_ids"], inputs["attention_mask"], inputs["position_ids"])
    given = inputs["item_ids"], layout, inputs["query_positions"], inputs.get("event_type_ids")
    return torch.cat(found).float(), base.recent_events(*given)


def reads_next(base: Any) -> bool:
    """Whether a model continues a history by `read_next`, with the same states as its `forward`.

    A subclass with its own `forward`, an encoder that does not declare `reads_next` itself, and a fusion block other
    than attention are encoded again.
    """
    if any(overrides(base, method) for method in ("forward", "pick", "encode_queries")):
        return False
    if base.encoder is not None and not vars(type(base.encoder)).get("reads_next", False):
        return False
    return base.fusion is None or bool(base.fusion.reads_next)


def overrides(base: Any, method: str) -> bool:
    """Whether a subclass of the model has a method of its own.

    Compares names of classes, because code from the hub has separate classes.
    """
    owner = next(cls for cls in type(base).__mro__ if method in vars(cls))
    return owner.__name__ not in ("XCatModel", "XCatScoring")


def _equal(inputs: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> bool:
    return inputs.keys() == others.keys() and all(torch.equal(value, others[name]) for name, value in inputs.items())


def _codes_of(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(inputs, length) inputs with one value per event, of one history."""
    return torch.cat([inputs[name] for name in _CODES if name in inputs])


def _memory_of(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Inputs about texts and interests of the user."""
    return {name: value for name, value in inputs.items() if name in _OF_MEMORY}
