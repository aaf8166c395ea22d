"""Texts of items, in one place: cleaning, the template, which encoder, and encoding with a cache."""

from __future__ import annotations

from .cleaning import clean_text
from .encoding import default_cache, encode_texts
from .item_texts import DEFAULT_TEXT_FIELDS, ItemTextTemplate, item_texts
from .text_encoders import DEFAULT_TEXT_ENCODER, PACKAGED_COPY, packaged_copy, resolve_text_encoder

__all__ = [
    "DEFAULT_TEXT_ENCODER",
    "DEFAULT_TEXT_FIELDS",
    "PACKAGED_COPY",
    "ItemTextTemplate",
    "clean_text",
    "default_cache",
    "encode_texts",
    "item_texts",
    "packaged_copy",
    "resolve_text_encoder",
]
