"""Similar names for misspelt options of a command and arguments of a function."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_OTHER_WORDS = {
    "batch": "per-device-train-batch-size", "bs": "per-device-train-batch-size", "device": "use-cpu",
    "dim": "hidden-size", "dir": "output", "embedding-dim": "hidden-size", "export": "output", "folder": "output",
    "layers": "num-behavior-layers", "lr": "learning-rate", "max-len": "max-history", "max-length": "max-history",
    "n": "k", "num": "k", "out": "output", "rank": "lora-rank", "sequence-length": "max-history", "top-k": "k",
    "topk": "k", "user": "users", "wd": "weight-decay", "workers": "dataloader-num-workers",
}  # fmt: skip
"""Option names of other libraries."""


def similar(option: str, known: Iterable[str]) -> list[str]:
    """Up to three similar options: another library's name for it, the same words and more, or similar letters.

    Example:
        >>> similar("--epoch", ["--num-train-epochs", "--eval-steps"]), similar("--lr", ["--learning-rate"])
        (['--num-train-epochs'], ['--learning-rate'])
    """
    options = sorted(set(known))
    name = option.lstrip("-").replace("_", "-")
    other = _OTHER_WORDS.get(name, name)
    written = f"-{other}" if len(other) == 1 else f"--{other}"
    if written in options:
        return [written]
    words = _words(name)
    more = [one for one in options if words <= _words(one.lstrip("-")) and len(name) > 2]
    if more:
        return sorted(more, key=lambda one: (not one.startswith("--num-train"), one.count("-"), one))[:3]
    near = difflib.get_close_matches(option, [one for one in options if one.startswith("--")], n=3, cutoff=0.7)
    return near[:3]


def _words(name: str) -> set[str]:
    """The words of an option, without the s of a plural."""
    return {word.removesuffix("s") for word in name.split("-")}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Hint for an unknown argument of a function: similar ones, as a clause that begins with a semicolon.

    Example:
        >>> did_you_mean("epoch", ["num_train_epochs", "seed"]), did_you_mean("zzz", ["seed"])
        ('; did you mean num_train_epochs?', '')
    """
    options = [f"--{one.replace('_', '-')}" for one in known]
    near = [one.lstrip("-").replace("-", "_") for one in similar(f"--{name.replace('_', '-')}", options)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def refuse_unknown(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse arguments that a function does not have.

    Args:
        function: Its name.
        given: Names of the given arguments.
        known: Names of its arguments.

    Raises:
        ValueError: If one is unknown; the message suggests similar ones.
    """
    names = list(known)
    for name in given:
        if name not in names:
            raise ValueError(f"{function} has no argument {name!r}{did_you_mean(name, names)}")
