"""A few inputs for each parser of benchmarks/parser_fuzz.py, and the crashes that it has to find."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from xcat_rec.tokenization.tables.event_times import read_call_times

ROOT = Path(__file__).parents[1]
MODULES = ("parser_fuzz", "fuzzed_parsers", "fuzz_mutations")


@pytest.fixture
def fuzzing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import fuzzed_parsers  # type: ignore[import-not-found]
    import parser_fuzz  # type: ignore[import-not-found]

    yield parser_fuzz, fuzzed_parsers
    for name in MODULES:
        sys.modules.pop(name, None)


def test_no_parser_crashes(fuzzing: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    parser_fuzz, fuzzed_parsers = fuzzing
    found = fuzzed_parsers.parsers(tmp_path)
    assert len(found) > 45
    crashes, read, documented = {}, 0, 0
    for parser in found.values():
        parser.seeds = parser.seeds[:2]
        result = parser_fuzz.fuzz(parser, tmp_path, seconds=20, seed=7, most=len(parser.seeds) + 1)
        assert result["read"] >= len(parser.seeds) or result["crashes"], parser.name
        crashes |= {f"{parser.name}: {one}": told for one, told in result["crashes"].items()}
        read, documented = read + result["read"], documented + result["documented"]
    assert not crashes
    assert read > 60 and documented > 15


def test_changes_of_json_leave_the_values_alone(fuzzing: tuple[ModuleType, ModuleType]) -> None:
    import fuzz_mutations  # type: ignore[import-not-found]

    before, draw = repr(fuzz_mutations.VALUES), random.Random(0)
    for _ in range(3_000):
        fuzz_mutations.changed_json(b'[{"a": {"b": [1]}}, [2]]', [b"x"], draw)
    assert repr(fuzz_mutations.VALUES) == before


@pytest.mark.parametrize(
    ("read", "crash"),
    [
        (lambda folder, content: {}[content], "KeyError in "),
        (lambda folder, content: json.loads("["), "JSONDecodeError of a library in "),
        (lambda folder, content: read_call_times("when", ["never"]), "ValueError without a place in tokenization"),
        (lambda folder, content: sys.exit(3), "SystemExit in "),
        (lambda folder, content: read_call_times("timestamps", ["never"]), None),
    ],
)
def test_what_counts_as_a_crash(
    read: Any, crash: str | None, fuzzing: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    parser_fuzz, fuzzed_parsers = fuzzing

    def given(folder: Path, content: bytes) -> None:
        if content != b"valid":
            read(folder, content)

    parser = fuzzed_parsers.Parser("it", [b"valid"], given, ("timestamps",))
    parser.changed = lambda content, others, draw: content + draw.randbytes(3)
    result = parser_fuzz.fuzz(parser, tmp_path, seconds=5, seed=0, most=4)
    assert (result["inputs"], result["read"]) == (4, 1)
    if crash is None:
        assert result["documented"] == 3 and not result["crashes"]
        return
    ((told, one),) = result["crashes"].items()
    assert told.startswith(crash) and one["times"] == 3
    assert (tmp_path / one["input"]).read_bytes().startswith(b"valid")


def test_a_valid_input_has_to_be_read_and_a_seed_repeats_inputs(
    fuzzing: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    parser_fuzz, fuzzed_parsers = fuzzing
    refused = fuzzed_parsers.Parser("it", [b"x"], lambda f, c: read_call_times("timestamps", ["never"]))
    (crash,) = parser_fuzz.fuzz(refused, tmp_path, seconds=5, seed=0, most=1)["crashes"]
    assert crash.startswith("a valid input is refused")
    first, again, other = (parser_fuzz.inputs(refused, seed) for seed in (1, 1, 2))
    some = [next(first) for _ in range(20)]
    assert some == [next(again) for _ in range(20)] != [next(other) for _ in range(20)]
    assert random.Random("it 1").random() != random.Random("it 2").random()
