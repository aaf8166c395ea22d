"""Texts of items and users: cleaning, templates, encoders, and embeddings with a cache."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cleaning import clean_text as clean_text
    from .default_encoder import DEFAULT_TEXT_ENCODER as DEFAULT_TEXT_ENCODER
    from .default_encoder import PACKAGED_COPY as PACKAGED_COPY
    from .default_encoder import packaged_copy as packaged_copy
    from .default_encoder import resolve_text_encoder as resolve_text_encoder
    from .default_encoder import shared_name as shared_name
    from .embedding_cache import default_cache as default_cache
    from .embedding_cache import encode_texts as encode_texts
    from .item_text import DEFAULT_TEXT_FIELDS as DEFAULT_TEXT_FIELDS
    from .item_text import ItemTextTemplate as ItemTextTemplate
    from .item_text import item_texts as item_texts
    from .languages import detect_language as detect_language
    from .text_columns import joined_texts as joined_texts
    from .text_encoder import TextEncoder as TextEncoder
    from .words import split_words as split_words

_EXPORTS = {
    "clean_text": ".cleaning",  # removes markup and control characters
    "ItemTextTemplate": ".item_text",  # item text from columns
    "item_texts": ".item_text",  # item texts of a table
    "DEFAULT_TEXT_FIELDS": ".item_text",  # columns of the default item text
    "joined_texts": ".text_columns",  # texts of users, from the usual columns
    "TextEncoder": ".text_encoder",  # a text encoder with its pooling
    "encode_texts": ".embedding_cache",  # embeddings of texts, cached on disk
    "default_cache": ".embedding_cache",  # folder of that cache
    "DEFAULT_TEXT_ENCODER": ".default_encoder",  # hub id of the default encoder
    "PACKAGED_COPY": ".default_encoder",  # package with a copy of it, for use without network
    "packaged_copy": ".default_encoder",  # folder of that package
    "resolve_text_encoder": ".default_encoder",  # folder or hub id of an encoder
    "shared_name": ".default_encoder",  # hub id of an encoder that was read from a copy
    "detect_language": ".languages",  # language of a text
    "split_words": ".words",  # words of a text
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
