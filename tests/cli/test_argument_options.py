"""Messages of the library name Python arguments; messages of a command name its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import xcat_rec
from xcat_rec.cli.app import COMMANDS
from xcat_rec.cli.argument_options import _NOUNS, with_options
from xcat_rec.cli.suggestions import all_options

from ..tiny_shop import write_shop
from .commands import refused

ROOT = Path(xcat_rec.__file__).parent
LIBRARY = (
    "modeling_xcat", "modeling_baselines", "tokenization", "catalogue", "evaluation", "checkpoints", "ranking",
    "training", "serving", "model_cards", "workflows",
)  # fmt: skip
IN_PYTHON_ONLY = {
    "base", "data", "history", "interests", "model", "model_class", "model_init", "padding", "processing_class",
    "processor", "precision", "text_kwargs", "truncation", "vocabulary", "dtype",
}  # fmt: skip
"""Arguments of calls that no command makes, or not with a value from its options."""


def messages(*rooms: str) -> Iterator[tuple[str, str]]:
    """Place and text of every message of some rooms; a value that is put in becomes 'x' or 7."""
    for file in (file for room in rooms for file in sorted(ROOT.glob(room))):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(v.value) if isinstance(v, ast.Constant) else _placeholder(v) for v in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
                text = node.value
            else:
                continue
            pip = "extra-index-url" in text  # an option of pip
            if not pip and re.search(r"[a-z,;] [a-z]", text) and not re.search(r"[<>\n@]|\\b", text):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", re.sub(r"pip install [^;)]*", "", text)


def _placeholder(value: ast.expr) -> str:
    if isinstance(value, ast.FormattedValue) and ast.unparse(value.value) in ("column", "option"):
        return "user_id"
    quoted = isinstance(value, ast.FormattedValue) and value.conversion == ord("r")
    return "'x'" if quoted else "7"


@pytest.fixture(scope="module")
def every_message() -> list[tuple[str, str]]:
    return list(messages(*(f"{room}/**/*.py" for room in LIBRARY)))


def test_the_library_names_no_options(every_message):
    found = [(place, text) for place, text in every_message if re.search(r"(?<![\w-])--[a-z]", text)]
    assert len(every_message) > 1000
    assert found == []


def test_an_ordinary_word_that_is_an_argument_is_marked(every_message):
    """`give data=` becomes `give DATA`; `give data` would stay as it is."""
    nouns = "|".join(sorted(_NOUNS))
    unmarked = re.compile(
        rf"\b(?:give|leave|omit|pass|set) (?:either |both |the )?(?:{nouns})(?=$|[,;.]| (?:out|or)\b)"
    )
    assert [(place, text) for place, text in every_message if unmarked.search(text)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_message_of_the_library_names_options_of_the_command(command, every_message):
    own = set(all_options(command))
    known = {option.lstrip("-").replace("-", "_") for name in COMMANDS for option in all_options(name)}
    wrong = []
    for place, text in every_message:
        told = with_options(text, command)
        python = {name for name in re.findall(r"(?<![\w.-])([a-z]\w*)=", told) if name in known} - IN_PYTHON_ONLY
        fields = re.findall(r"\bXCatConfig\.(\w+)", told)
        calls = "TableColumns(" in told or {f"--{name.replace('_', '-')}" for name in fields} & own
        elsewhere = re.findall(r"xcat ([\w-]+) (-[\w-]+)", told)
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", told)) - {option for _, option in elsewhere}
        wrong_there = [(other, option) for other, option in elsewhere if option not in all_options(other)]
        bare = set(re.findall(r"(?<![\w./'-])([a-z]+(?:_[a-z]+)+)(?![\w'(\[=./-])", told))
        bare = {name for name in bare if f"--{name.replace('_', '-')}" in own}
        if python or calls or bare or not options <= own or wrong_there:
            wrong.append((place, told))
    assert wrong == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_options_that_it_has(command):
    """Options of the command's own file; options of another command follow `xcat NAME`."""
    own = {*all_options(command), "--help"}
    for place, text in messages(f"cli/{command}.py"):
        others = {option for _, option in re.findall(r"xcat (\w+)[^;:]*? (--[a-z][\w-]+)", text)}
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)) - others <= own, (place, text)


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        ("fit", "split is 'random'; give auto", "--split is 'random'; give auto"),
        ("fit", "events: split 'x' leaves nobody", "events: split 'x' leaves nobody"),
        ("fit", "no column 'time_format' is there", "no column 'time_format' is there"),
        ("fit", "the folder /data/time_format/x is empty", "the folder /data/time_format/x is empty"),
        ("fit", "give use_text=False", "give --use-text false"),
        ("fit", "give load_best_model_at_end=True", "give --load-best-model-at-end"),
        ("fit", "XCatConfig.hidden_size (30); try hidden_size=32.", "--hidden-size (30); try --hidden-size 32."),
        ("fit", 'give TableColumns(user_id="John\'s id")', "give --columns 'user_id=John'\"'\"'s id'"),
        ("fit", "give TableColumns(user_id='a, b', item_id='c')", r"give --columns 'user_id=a\, b,item_id=c'"),
        ("fit", "groups=['text'] do", "--lora-targets text do"),
        ("recommend", "give exclude_seen=False", "give --include-seen"),
        ("recommend", "only_categories holds None", "--only-category holds None"),
        ("recommend", "leave texts= out", "leave --text out"),
        ("fit", "give encoding", "give --encoding"),
        ("fit", "leave interests out, or more", "leave --interests out, or more"),
        ("fit", "give encoding and split names", "give --encoding and split names"),
        ("fit", "give data=, both items= and events=", "give DATA, both --items and --events"),
        ("catalogue", "items='x' is empty", "ITEMS x is empty"),
        ("push", "leave revision= and tag= out", "leave --revision and --tag out"),
        ("fit", "give data and events of a shop", "give data and events of a shop"),
        ("evaluate", "give on_unknown_items='drop'", "give --unknown-items drop"),
        ("evaluate", "give encoding='cp1252'", "give --encoding cp1252"),
    ],
)
def test_translation(command, text, told):
    assert with_options(text, command) == told


LATIN = "user_id,item_id,title,timestamp\nu1,i1,Mug\x99\x81,2024-01-01\nu2,i1,Mug,2024-01-02\n"
COMMAND_LINES = {
    "no tables": ("fit", ["DATA", "--items and --events"]),
    "no tables to evaluate": ("evaluate {trained}", ["DATA", "--items and --events"]),
    "data and a table": ("fit {shop} --events {shop}", ["DATA", "--items and --events"]),
    "no such data": ("fit no-shop", ["DATA no-shop does not exist"]),
    "a source without a path": ("bench amazon-2018:", ["DATA amazon-2018 needs a path"]),
    "columns of a source": ("fit movielens:{shop} --columns item_id=a", ["DATA movielens", "leave --columns out"]),
    "times of a source": ("fit movielens:{shop} --time-format excel", ["--time-format and --encoding"]),
    "bytes of another encoding": (
        "inspect {latin} --encoding utf-8",
        ["give its encoding, such as --encoding cp1252"],
    ),
    "no such encoding": ("fit {latin} --encoding klingon", ["--encoding is 'klingon'"]),
    "rows without a user": ("inspect {nobody}", ["--missing-users drop"]),
    "a column is missing": ("fit {nobody} --columns title=label", ["--columns 'title="]),
    "no such split": ("prepare {shop} --split random", ["--split is 'random'"]),
    "cold items": ("bench {shop} --cold-items 0.9", ["--cold-items is 0.9"]),
    "a filter of 0": ("fit {shop} --min-user-events -1", ["--min-user-events is -1"]),
    "no rank": ("fit {shop} --base {shop} --peft lora --lora-rank 0", ["--lora-rank is 0"]),
    "no such precision": ("fit {shop} --precision int3", ["--precision is 'int3'"]),
    "a base and none": ("fit {shop} --peft lora", ["--peft", "--base"]),
    "a model without a base": ("bench {shop} --models xcat-zero-shot", ["--base CHECKPOINT"]),
    "a revision of a folder": ("recommend {shop} --revision v1 --history A", ["leave --revision out"]),
    "an ambiguous date": ("inspect {dates}", ["--time-format"]),
}


@pytest.mark.parametrize(("line", "words"), COMMAND_LINES.values(), ids=COMMAND_LINES.keys())
def test_an_error_of_the_library_names_the_option(line, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {name: str(tmp_path / f"{name}.csv") for name in ("latin", "nobody", "dates")}
    Path(places["latin"]).write_bytes(LATIN.encode("latin-1"))
    Path(places["nobody"]).write_text("user_id,item_id,timestamp\n,i1,2024-01-01\nu1,i1,2024-01-02\n")
    Path(places["dates"]).write_text("user_id,item_id,timestamp\nu1,i1,01/02/2024\nu2,i1,03/04/2024\n")
    places["trained"] = str(tmp_path / "trained")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "config.json").write_text('{"model_type": "xcat"}')
    refused(line.format(shop=write_shop(tmp_path / "shop", 10), **places).split(), capsys, words)
