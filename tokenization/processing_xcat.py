"""XCatProcessor: external ids and texts to model inputs; it contains the catalogue.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils import cached_file

from .ask_texts import AskReading
from .digests import CONFIG_FILE, catalogue_digest, check_digests, read_settings
from .masking import mask
from .packing import EventFeatures, pack_histories, ratings_of, seconds_of, values_of
from .padding import Padding, in_format, text_options
from .policy_file import POLICY_FILE, read_policy_file, write_policy
from .saved_names import check_saved_names
from .unknown_tokens import warn_of_unknown
from .user_texts import place_user_texts, texts_per_user
from .vocabulary import UNKNOWN_ROW, VOCABULARY_FILE, ItemVocabulary

logger = logging.getLogger(__name__)

_MOST_WARNINGS = 100
"""Unknown event types that are warned of, each once; a service can be sent any number of them."""
_HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")


class XCatProcessor(AskReading, ProcessorMixin):
    """Converts histories of external item ids, and texts of users, to the inputs of an XCat model.

    Args:
        tokenizer: Tokenizer of the text encoder.
        vocabulary: The catalogue.
        event_types: Names of the event types, coded from 1.
        max_history: Number of latest events to read per history.
        num_rating_buckets: Buckets of ratings, 0 to leave ratings out.
        rating_range: Lowest and highest rating, divided into buckets; None for one bucket per integer from 1.
        num_time_gap_buckets: Buckets of time gaps, 0 to leave gaps out.
        max_text_length: Tokens read per text.
        text_fields: Columns of the items table that make an item's text, in order.
        interest_settings: Settings of user interests, `InterestSettings` as a mapping; None for no interests.
        event_settings: Selection and split of the training events: `EVENT_OPTIONS` of `tokenization.sequences` and the
            seed of ties and cold items; None if unknown.
        reads_texts: Whether the model reads texts of users; True for checkpoints of earlier versions.
        item_prompt: Text before each item's text, for encoders that were trained with one, such as "passage: ".
        query_prompt: Text before each text of a user, such as "query: ".
        image_settings: Column of the items table with images, and `preprocessor`, the settings of the vision encoder's
            image processor (None for vectors); None for a model without images.
        catalogue_digest: Fingerprint of the catalogue at saving; unused here, see `check_digests`.

    Attributes:
        policy: Content policy with the outcomes of the items, as in `policy.json`; None for no policy.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        vocabulary: ItemVocabulary | None = None,
        event_types: Sequence[str] = (),
        max_history: int = 50,
        num_rating_buckets: int = 0,
        rating_range: Sequence[float] | None = None,
        num_time_gap_buckets: int = 0,
        max_text_length: int = 64,
        text_fields: Sequence[str] = ("title", "brand", "category"),
        interest_settings: Mapping[str, Any] | None = None,
        event_settings: Mapping[str, Any] | None = None,
        reads_texts: bool = True,
        item_prompt: str = "",
        query_prompt: str = "",
        image_settings: Mapping[str, Any] | None = None,
        catalogue_digest: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.vocabulary = vocabulary
        self.event_types = list(event_types)
        self.max_history = max_history
        self.num_rating_buckets = num_rating_buckets
        self.rating_range = None if rating_range is None else list(rating_range)
        self.num_time_gap_buckets = num_time_gap_buckets
        self.max_text_length = max_text_length
        self.text_fields = list(text_fields)
        self.interest_settings = None if interest_settings is None else dict(interest_settings)
        self.event_settings = None if event_settings is None else dict(event_settings)
        self.reads_texts = reads_texts
        self.item_prompt, self.query_prompt = item_prompt, query_prompt
        self.image_settings = None if image_settings is None else dict(image_settings)
        self._warned_of = set[str]()
        self.policy: Mapping[str, Any] | None = None
        super().__init__(tokenizer, **kwargs)

    @property
    def features(self) -> EventFeatures:
        """Features of events that become codes; event types do if there is more than one."""
        return EventFeatures(
            num_rating_buckets=self.num_rating_buckets,
            num_time_gap_buckets=self.num_time_gap_buckets,
            use_event_types=len(self.event_types) > 1,
            rating_range=None if self.rating_range is None else (self.rating_range[0], self.rating_range[1]),
        )

    @property
    def default_event_type(self) -> str:
        """Type of events without a given type: the first target type; "" if unknown."""
        targets = (self.event_settings or {}).get("target_event_types") or ()
        return next((name for name in targets if name in self.event_types), "")

    @property
    def catalogue(self) -> ItemVocabulary:
        """The item vocabulary.

        Raises:
            ValueError: If the processor has none.
        """
        if self.vocabulary is None:
            raise ValueError(
                "this processor has no item vocabulary; pass vocabulary= or load one with from_pretrained"
            )
        return self.vocabulary

    def __call__(
        self,
        histories: Sequence[Sequence[str]],
        texts: Sequence[str | Sequence[str] | None] | None = None,
        *,
        event_types: Sequence[Sequence[str]] | None = None,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[int | None]] | None = None,
        interests: Sequence[tuple[np.ndarray, np.ndarray] | None] | None = None,
        layout: str | None = None,
        padding: bool | str = True,
        truncation: bool | str | None = True,
        max_length: int | None = None,
        padding_side: str | None = None,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = True,
        return_tensors: str | None = "pt",
        text_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Create model inputs.

        Args:
            histories: External item ids of each user, oldest first. An id outside the catalogue becomes the unknown
                item at its position, and a warning counts these.
            texts: The users' own texts (queries, reviews, chat), for a model with the memory source "user_text": one
                text, several texts or None per history. Every event may read them.
            event_types: Type of each event, in the shape of `histories`; None, or "" for an event, is
                `default_event_type`.
            ratings: Rating of each event, None for none.
            timestamps: Seconds since 1970 of each event, None if unknown.
            interests: Interest profile per history or None, as returned by `InterestProfile.tokens`, with vectors
                whitened by the model; every event may read it.
            layout: "left" or "right" padding, or "packed"; "left" if neither it nor `padding_side` is given.
            padding: True or "longest", "max_length" (every row has that many events), or False if all histories have
                one length.
            truncation: Whether to cut longer histories to their latest events; False refuses them.
            max_length: Events per history; at most `max_history`, which is also the default.
            padding_side: "left" or "right"; another name for these two layouts.
            pad_to_multiple_of: Number that the row width is a multiple of, if `max_length` allows it.
            return_attention_mask: Whether to return the mask; without it the model treats padded items as masked.
            return_tensors: "pt", "np", or None for lists.
            text_kwargs: `max_length`, `truncation`, `padding` and `pad_to_multiple_of` for the texts, in tokens.
            **kwargs: `common_kwargs` with `return_tensors`, as in other processors.

        Returns:
            Inputs of `XCatModel.forward`, and `query_positions`: the positions to predict from.

        Raises:
            ValueError: If a history is empty, shapes differ, there are texts although the model reads none, or a
                keyword has an unknown value.
            TypeError: If a keyword is unknown.
        """
        common = dict(kwargs.pop("common_kwargs", None) or {})
        return_tensors = common.pop("return_tensors", return_tensors)
        strange = sorted({*common, *(name for name, value in kwargs.items() if value is not None)})
        if strange:
            hint = "; for texts of users use texts=" if strange[0] == "text" else ""
            raise TypeError(f"{type(self).__name__} has no keyword {strange[0]!r}{hint}")
        how = Padding.of_keywords(
            self.max_history, layout=layout, padding=padding, truncation=truncation, max_length=max_length,
            padding_side=padding_side, pad_to_multiple_of=pad_to_multiple_of,
        )  # fmt: skip
        rows = self.history_rows(histories, event_types=event_types, ratings=ratings, timestamps=timestamps)
        missing = sum(int((row["items"] == UNKNOWN_ROW).sum()) for row in rows)
        if missing:
            logger.warning(
                "events with an item that is not in the catalogue: %d of %d; read as the unknown item",
                missing, sum(len(row["items"]) for row in rows),
            )  # fmt: skip
        if interests is not None and len(interests) != len(rows):
            raise ValueError(f"interests must have one entry per history: {len(rows)}, got {len(interests)}")
        for row, (vectors, kinds) in zip(rows, [pair or ((), ()) for pair in interests or ()], strict=False):
            row |= {
                "interest_states": list(vectors), "interest_kinds": list(kinds),
                "interest_positions": [0] * len(kinds),
            }  # fmt: skip
        batch = self.inputs_of(rows, texts, padding=how, text_kwargs=text_options(text_kwargs))
        if texts is not None and not text_kwargs:
            for note in self.cut_notes([text for own in texts_per_user(texts, len(rows)) for text in own]):
                logger.warning("texts: %s", note)
        if return_attention_mask is False:
            batch.pop("attention_mask")
        return BatchFeature(in_format(batch, return_tensors))

    @property
    def model_input_names(self) -> list[str]:
        """`items`, by which `Trainer` groups rows of similar length; then all possible outputs of a call, in order."""
        return ["items", "item_ids", "attention_mask", "position_ids", "event_type_ids", "rating_ids", "time_gap_ids"]

    def inputs_of(
        self,
        rows: Sequence[Mapping[str, Any]],
        texts: Sequence[str | Sequence[str] | None] | None = None,
        *,
        layout: str = "left",
        padding: Padding | None = None,
        text_kwargs: Mapping[str, Any] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Model inputs from dataset rows and the users' texts; see `__call__`. `padding` includes the layout."""
        if padding is None:
            batch = self.collate(rows, layout=layout)
        else:
            batch = pack_histories(
                rows, max_history=padding.max_length, features=self.features, mode=padding.layout,
                width=padding.width([len(row["items"]) for row in rows]),
            )  # fmt: skip
        if texts is not None:
            batch.update(self._user_texts(texts, batch, len(rows), text_kwargs or {}))
        return batch

    def history_rows(
        self,
        histories: Sequence[Sequence[str]],
        *,
        event_types: Sequence[Sequence[str]] | None = None,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[int | None]] | None = None,
    ) -> list[dict[str, Any]]:
        """Histories of external ids as dataset rows (`items`, `event_types`, `ratings`, `timestamps`).

        Unknown items and event types are read as unknown. A warning counts the events of unknown type, once per type;
        unknown items have index `UNKNOWN_ROW`, and the caller counts them. An event without a type has the
        `default_event_type`.
        """
        if isinstance(histories, str) or any(isinstance(history, str) for history in histories):
            raise ValueError("histories is a list of lists of item ids, one list per user; got a plain string")
        if not len(histories):
            raise ValueError("histories is empty; give at least one history")
        for name, given in (("event_types", event_types), ("ratings", ratings), ("timestamps", timestamps)):
            if given is not None and len(given) != len(histories):
                raise ValueError(f"{name} must have one list per history: {len(histories)}, got {len(given)}")
        codes = {name: code for code, name in enumerate(self.event_types, start=1)}
        rows, kinds, default = [], Counter[str](), self.default_event_type
        for user, ids in enumerate(histories):
            if not len(ids):
                raise ValueError(f"history {user} is empty; give at least one item id")
            items = self.catalogue.encode(ids)
            size = len(items)
            named = [kind or default for kind in values_of(event_types, user, size, "event_types", "")]
            rated = [] if ratings is None else ratings_of(values_of(ratings, user, size, "ratings", None), user)
            kinds.update(kind for kind in named if codes and kind and kind not in codes)
            rows.append({
                "items": items,
                "event_types": [codes.get(kind, 0) for kind in named],
                "ratings": [np.nan if r is None else r for r in rated] or [np.nan] * size,
                "timestamps": seconds_of(values_of(timestamps, user, size, "timestamps", None), user),
            })  # fmt: skip
        self._warn_of_types(kinds, sum(map(len, histories)))
        return rows

    def _warn_of_types(self, kinds: Mapping[str, int], events: int) -> None:
        """Warn of event types that are unknown, of each type once; of too many types no more."""
        new = {kind: count for kind, count in kinds.items() if kind not in self._warned_of}
        if new and len(self._warned_of) < _MOST_WARNINGS:
            self._warned_of.update(new)
            logger.warning(
                "%d of %d events have a type that the model was not trained on, for example %r (masked); it was "
                "trained on %s; later events of the type are read as unknown without a warning",
                sum(new.values()), events, mask(next(iter(new))), ", ".join(map(repr, self.event_types)),
            )  # fmt: skip

    def collate(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        layout: str = "packed",
        with_labels: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Convert dataset rows to tensors; see `pack_histories`."""
        return pack_histories(
            rows,
            max_history=self.max_history,
            features=self.features,
            mode=layout,
            with_labels=with_labels,
        )

    def tokenize(self, texts: Sequence[str], *, query: bool = False, **options: Any) -> BatchFeature:
        """Token ids and mask (texts, length) of plain texts with their prompt.

        Args:
            texts: Texts.
            query: Whether they are texts of users, which have the query prompt; otherwise texts of items.
            **options: Options of the tokenizer; they take precedence.
        """
        prompt = self.query_prompt if query else self.item_prompt
        own = {"truncation": True, "max_length": self.max_text_length, "padding": True}
        tokens = self.tokenizer(
            [prompt + text for text in texts], return_tensors="pt", return_token_type_ids=False, **{**own, **options}
        )
        return BatchFeature(dict(tokens))

    def _user_texts(
        self, texts: Sequence[str | Sequence[str] | None], batch: dict[str, torch.Tensor], users: int, options: Any
    ) -> dict[str, torch.Tensor]:
        per_user = texts_per_user(texts, users)
        given = [text for entries in per_user for text in entries]
        if not given:
            return {}
        if not self.reads_texts:
            count = sum(map(bool, per_user))
            having = f"{count} of {users} user{'s' * (users != 1)} ha{'s' if count == 1 else 've'} texts"
            raise ValueError(f"texts: {having}, and this model does not read texts of users; leave texts= out")
        warn_of_unknown(self.tokenizer, given, "texts of users")
        tokens = self.tokenize(given, query=True, **options)
        return place_user_texts(tokens, per_user, batch, self.tokenizer.pad_token_id or 0)

    def to_dict(self) -> dict[str, Any]:
        """Content of `processor_config.json`; vocabulary and tokenizer are saved in other files."""
        values: dict[str, Any] = super().to_dict()
        for name in ("vocabulary", "tokenizer", "policy", "_warned_of"):
            values.pop(name, None)
        for name in ("interest_settings", "event_settings"):
            if getattr(self, name) is None:
                values.pop(name, None)
        if self.vocabulary is not None:
            values["catalogue_digest"] = catalogue_digest(self.vocabulary)
        return values

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> Any:
        """Save tokenizer, catalogue and settings into a directory."""
        os.makedirs(save_directory, exist_ok=True)
        self.catalogue.save(save_directory)
        write_policy(save_directory, self.policy)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def _upload_modified_files(self, working_dir: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """The last step of `push_to_hub`, without transformers' empty card template."""
        check_saved_names(self.event_settings)
        card = Path(working_dir) / "README.md"
        if card.is_file() and "[More Information Needed]" in card.read_text(encoding="utf-8"):
            card.unlink()
        return super()._upload_modified_files(working_dir, *args, **kwargs)

    @classmethod
    def _load_tokenizer_from_pretrained(cls, sub_processor_type: str, *args: Any, **kwargs: Any) -> Any:
        # tokenizer_config.json names the class. Without a config, AutoTokenizer would load the model's, whose code is
        # in the checkpoint, and ask whether to trust it.
        kwargs.setdefault("config", PreTrainedConfig())
        kwargs.setdefault("trust_remote_code", False)  # else transformers asks, and a user may answer yes
        return super()._load_tokenizer_from_pretrained(sub_processor_type, *args, **kwargs)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> XCatProcessor:
        """Load a processor from a directory or a hub repository.

        Raises:
            OSError: If a file is missing.
            ValueError: If the catalogue differs from the one that the model or the settings were saved with.
        """
        name = str(pretrained_model_name_or_path)
        hub = {key: kwargs[key] for key in _HUB_ARGUMENTS if kwargs.get(key) is not None}
        processor: XCatProcessor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        file = cached_file(name, VOCABULARY_FILE, **hub)
        if file is None:
            raise OSError(f"{name} has no {VOCABULARY_FILE}; save the processor with save_pretrained")
        processor.vocabulary = ItemVocabulary.load(file)
        missing = {f"_raise_exceptions_for_{kind}": False for kind in ("missing_entries", "connection_errors")}
        policy = cached_file(name, POLICY_FILE, **missing, **hub)
        processor.policy = None if policy is None else read_policy_file(policy)
        config, settings = (read_settings(name, path, hub) for path in (CONFIG_FILE, "processor_config.json"))
        check_digests(config, settings, processor.vocabulary, name)
        return processor


XCatProcessor.register_for_auto_class("AutoProcessor")
