"""The file of a checkpoint with its content policy: settings, outcomes of items, and decisions of people.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

POLICY_FILE = "policy.json"
FORMAT = 1
"""Version of the layout of the file."""
_OUTCOMES, _DECISIONS = ("allowed", "sensitive", "blocked"), ("approved", "blocked")


def read_policy_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Content of `policy.json`.

    Args:
        path: The file.

    Returns:
        `format`; `settings` of the policy; `items`, the outcome, categories and matches of each item that is not
        allowed, with its title and the hash of its texts; `decisions`, "approved" or "blocked" per item; and
        `approved_texts`, the hash of the texts that an approval is of.

    Raises:
        ValueError: If the file is damaged, or of a newer version.
    """
    remedy = "copy the checkpoint again, or apply the policy again with xcat review"
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); {remedy}") from error
    parts = ("settings", "items", "decisions")
    if not isinstance(found, dict) or any(not isinstance(found.get(name), dict) for name in parts):
        raise ValueError(f"{path} lacks one of {', '.join(parts)}; {remedy}")
    if found.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {found.get('format')!r}, and this version reads {FORMAT}; upgrade xcat-rec"
        )
    fault = _fault(found)
    if fault is not None:
        raise ValueError(f"{path}: {fault}; {remedy}")
    return found


def _fault(policy: Mapping[str, Any]) -> str | None:
    """What is wrong inside of the parts of a policy; None if nothing is."""
    if not isinstance(policy["settings"].get("outcomes"), dict):
        return "settings has no outcomes"
    for name, one in policy["items"].items():
        lists = isinstance(one, dict) and all(isinstance(one.get(part), list) for part in ("categories", "matches"))
        if not lists or one.get("outcome") not in _OUTCOMES or not isinstance(one.get("certain"), bool):
            return f"items has {name!r} without outcome, categories, certain and matches"
        if any(
            not isinstance(match, dict) or not {"category", "rule", "certain"} <= match.keys()
            for match in one["matches"]
        ):
            return f"items has {name!r} with a match that lacks category, rule or certain"
    for name, decision in policy["decisions"].items():
        if decision not in _DECISIONS:
            return f"decisions has {name!r} as {decision!r}"
    texts = policy.get("approved_texts", {})  # older files have none
    if not isinstance(texts, dict) or any(not isinstance(text, str) for text in texts.values()):
        return "approved_texts has other values than texts"
    return None


def write_policy(folder: str | os.PathLike[str], policy: Mapping[str, Any] | None) -> Path:
    """Write `policy.json` into a folder, atomically; without a policy the file is removed.

    Args:
        folder: A checkpoint.
        policy: Content of the file; None for no policy.
    """
    path = Path(folder) / POLICY_FILE
    if policy is None:
        path.unlink(missing_ok=True)
        return path
    unfinished = path.with_suffix(f".{uuid4().hex}.unfinished")
    unfinished.write_text(json.dumps(policy, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(unfinished, path)
    return path
