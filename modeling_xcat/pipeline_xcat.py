"""The `transformers` pipeline that recommends items.

It is stored in the checkpoint and uses only the checkpoint's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any, Literal

from transformers import Pipeline
from transformers.utils import logging

from .arguments_xcat import explanation, finite_number, kind_of, whole_number
from .configuration_xcat import NUM_SPECIAL_ROWS
from .filters_xcat import Filters
from .queries_xcat import Queries
from .recommending_xcat import ItemRanker, Recommendation
from .unknown_users_xcat import OnUnknown, check_unknown

logger = logging.get_logger(__name__)

BATCH_SIZE = 256
"""Histories scored at a time."""
EVENT_OPTIONS = ("query", "texts", "event_types", "ratings", "timestamps", "event_texts")
"""Options with one value per history."""
FILTERS = tuple(field.name for field in fields(Filters))
_OPTIONS = ("k", "top_k", "explain", "cold_boost", "on_unknown", *FILTERS)


class XCatPipeline(Pipeline):
    """Recommends items to one history or to several.

    Args:
        model: A trained `XCatForNextItem`.
        processor: The `XCatProcessor` saved with it, which has the catalogue.
        **kwargs: Arguments of `transformers.Pipeline` (`device`, `batch_size`, ...), and defaults for the options of a
            call (`k`, `exclude_seen`, ...).

    Raises:
        ValueError: If there is no processor, or an option has an invalid value.
        TypeError: If an option does not exist.

    Example (not run: it needs a checkpoint):
        recommender = transformers.pipeline("item-recommendation", model="CKPT", trust_remote_code=True)
        recommender(["tent-1", "boots-7"], k=5, exclude_categories=["tents"])
    """

    _load_processor: Any = True
    _load_tokenizer: Any = False
    _load_feature_extractor: Any = False
    _load_image_processor: Any = False
    _load_video_processor: Any = False
    model: Any
    processor: Any

    def __init__(self, model: Any, processor: Any = None, **kwargs: Any) -> None:
        if processor is None:
            raise ValueError("a model in memory needs its catalogue; pass processor=, its XCatProcessor")
        super().__init__(model=model, processor=processor, **kwargs)
        self._prepare()

    def _prepare(self) -> None:
        """Set up the ranker, when the model is on its device."""
        self._ranker = ItemRanker(self.model, self.processor.catalogue, policy=self.processor.policy)
        if "interests" in self.model.config.memory_sources:
            logger.warning(
                "this model reads users' interests, but its pipeline without the package xcat-rec does not; install "
                "xcat-rec and import xcat_rec to use the whole model"
            )

    def __call__(  # type: ignore[override]
        self,
        inputs: Any,
        k: int | None = None,
        *,
        num_workers: int | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Any:
        """Recommend.

        Args:
            inputs: One history, which is a sequence of item ids, oldest first, or a mapping with any of `history`,
                `query`, `texts`, `event_types`, `ratings`, `timestamps` and `event_texts`; or a sequence of histories;
                or an iterator or a dataset of histories, which is read lazily. A mapping with a query or texts needs
                no history.
            k: Recommendations per history, 10 if None; `top_k` is an alias.
            num_workers: Unused; histories need no loading.
            batch_size: Histories scored per batch.
            **options: `exclude_seen`, `exclude_categories`, `only_categories`, `cross_category`, `only_items`,
                `allow_sensitive`, `cold_boost`, `on_unknown` and `explain`, as in `XCatRecommender.recommend`;
                `conditions`, which are its `filters`; and the `EVENT_OPTIONS`, with one value per history.

        Returns:
            Recommendations as dictionaries with `item_id`, `score`, `title`, `category` and `because`; a list of such
            lists for several histories; an iterator over such lists for an iterator or a dataset. Notes about queries
            that were not read and about short lists are logged as warnings, each once.

        Raises:
            ValueError: If a history is not a sequence of item ids, or an option has an invalid value.
            TypeError: If there is no such option.
        """
        given = {name: options.pop(name) for name in EVENT_OPTIONS if name in options}
        if k is not None:
            options["k"] = k
        own = (self._preprocess_params, self._forward_params, self._postprocess_params)
        steps = [old | new for old, new in zip(own, self._sanitize_parameters(**options), strict=True)]
        size = batch_size or self._batch_size or BATCH_SIZE
        if not isinstance(inputs, Iterable) and not hasattr(inputs, "__getitem__"):
            raise ValueError(f"inputs is {kind_of(inputs)}; give a list of item ids, or a list of such lists")
        if isinstance(inputs, str):
            raise ValueError("give a list of item ids, or a list of such lists; got a plain string")
        if not isinstance(inputs, Mapping | Sequence) and not hasattr(inputs, "__array__"):
            if any(value is not None for value in given.values()):
                raise ValueError(
                    f"{min(given)} cannot be given with an iterator; give mappings with history and {min(given)}"
                )
            return self._answers(map(_request, inputs), size, steps)
        if _is_one(inputs):
            (answer,) = self._answers([_request(inputs) | given], size, steps)
            return answer
        requests = [_request(one) for one in inputs]
        for name, values in given.items():
            if values is None:
                continue
            if len(values) != len(requests):
                raise ValueError(f"{name} must have one entry per history: {len(requests)}, got {len(values)}")
            requests = [request | {name: value} for request, value in zip(requests, values, strict=True)]
        return list(self._answers(requests, size, steps))

    def _answers(
        self, requests: Iterable[dict[str, Any]], size: int, steps: Sequence[dict[str, Any]]
    ) -> Iterator[list[dict[str, Any]]]:
        waiting = iter(requests)
        while batch := list(islice(waiting, size)):
            yield from self.run_single(batch, *steps)

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            known = ", ".join((*_OPTIONS, *EVENT_OPTIONS))
            raise TypeError(f"item-recommendation has no option {unknown[0]!r}; options are {known}")
        wanted = {options.pop(name) for name in ("k", "top_k") if name in options}
        if len(wanted) > 1:
            raise ValueError(f"k and top_k mean the same and are {' and '.join(map(str, sorted(wanted)))}; give one")
        if "explain" in options:
            options["explain"] = explanation("explain", options["explain"])
        for k in wanted:
            options["k"] = whole_number("k", k)
        return {}, options, {}

    def preprocess(self, requests: list[dict[str, Any]]) -> dict[str, Any]:  # type: ignore[override]
        """Make model inputs from requests: mappings with `history` and values of the `EVENT_OPTIONS`."""
        histories, events = columns_of(requests)
        if events.pop("event_texts") is not None:
            logger.warning(
                "event_texts have no effect here; import xcat_rec to use them for a model that reads interests"
            )
        texts, queries = events.pop("texts"), events.pop("query")
        # An empty history becomes one event of an unknown item, because the model needs one.
        histories = [history if len(history) else [""] for history in histories]
        filled = {
            name: None if values is None else [value if len(value) else [None] for value in values]
            for name, values in events.items()
        }
        rows = self.processor.history_rows(histories, **filled)
        return {
            "unknown": [
                bool((row["items"] < NUM_SPECIAL_ROWS).all()) and not (texts and texts[user])
                for user, row in enumerate(rows)
            ],
            "inputs": self.processor.inputs_of(rows, texts, layout="right"),
            "rows": [row["items"] for row in rows],
            "queries": None if queries is None else [(query or "").strip() for query in queries],
        }

    def _forward(  # type: ignore[override]
        self,
        placed: dict[str, Any],
        k: int = 10,
        explain: bool | Literal["history", "query"] = True,
        cold_boost: float | None = None,
        on_unknown: OnUnknown = "popular",
        **filters: Any,
    ) -> list[list[Recommendation]]:
        chosen = Filters(**filters)
        boost = None if cold_boost is None else finite_number("cold_boost", cold_boost)
        asked = Queries(self._ranker, self.processor, placed["queries"], explain in (True, "query"))
        unknown = [unknown and not (asked.read and asked.read[user]) for user, unknown in enumerate(placed["unknown"])]
        check_unknown(sum(unknown), len(unknown), on_unknown)
        asks, words = asked.asks(range(len(unknown)))
        by_history = explain in (True, "history")
        found = self._ranker.recommend(
            placed["inputs"], placed["rows"], k, chosen, by_history, boost, asks=asks, words=words
        )
        popular = self._ranker.popular(k, chosen) if on_unknown == "popular" and any(unknown) else []
        found = [popular if nobody else of_user for nobody, of_user in zip(unknown, found, strict=True)]
        skipped = on_unknown == "skip"
        for user, (history, listed) in enumerate(zip(placed["rows"], found, strict=True)):
            notes = asked.notes(user, listed)
            if len(listed) < k and not (unknown[user] and skipped):
                notes.append(self._ranker.filter.shortage(chosen, history, k, len(listed)))
            self._log(notes)
        return found

    def _log(self, notes: Iterable[str]) -> None:
        """Log notes about lists, each once, because the answer of a pipeline has no place for them."""
        for note in notes:
            logger.warning_once(note)

    def postprocess(self, found: list[list[Recommendation]]) -> list[list[dict[str, Any]]]:  # type: ignore[override]
        """Recommendations as dictionaries."""
        return [[one.to_dict() for one in of_user] for of_user in found]

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:
        """Save model and processor; this file is saved with the model."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory, **kwargs)


def columns_of(requests: Sequence[Mapping[str, Any]]) -> tuple[list[Any], dict[str, list[Any] | None]]:
    """Histories, and for each of the `EVENT_OPTIONS` one value per history; None if no request has one."""
    histories = [request["history"] for request in requests]
    columns: dict[str, list[Any] | None] = {}
    for name in EVENT_OPTIONS:
        values = [request.get(name) for request in requests]
        empty = "" if name == "event_types" else None
        columns[name] = None
        if any(value is not None for value in values):
            filled = values if name in ("texts", "query") else [
                [empty] * len(history) if value is None else value
                for value, history in zip(values, histories, strict=True)
            ]  # fmt: skip
            columns[name] = filled
    return histories, columns


def _is_one(inputs: Any) -> bool:
    """Whether inputs are one history: a mapping, item ids (texts or whole numbers), or empty."""
    if isinstance(inputs, Mapping) or not len(inputs):
        return True
    first = inputs[0]
    return isinstance(first, str | int) or getattr(first, "ndim", None) == 0


def _request(one: Any) -> dict[str, Any]:
    if isinstance(one, Mapping):
        unknown = sorted(map(str, set(one) - {"history", *EVENT_OPTIONS}))
        told = any(one.get(name) is not None for name in ("history", "query", "texts"))
        if unknown or not told:
            wrong = f"it has {unknown[0]!r}" if unknown else "it has no history, query or texts"
            raise ValueError(f"a request is a mapping with any of {', '.join(('history', *EVENT_OPTIONS))}; {wrong}")
        return {**one, "history": () if one.get("history") is None else one["history"]}
    if isinstance(one, str) or not (isinstance(one, Sequence) or hasattr(one, "__array__")):
        raise ValueError(f"a history is a list of item ids; got a {type(one).__name__}")
    return {"history": list(one)}
