"""The parsers that `parser_fuzz.py` gives changed inputs, with valid inputs to start from."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import fuzz_mutations as change
import polars as pl
import pyarrow as pa

from xcat_rec.checkpoints.review import REVIEW_FILE, decide, read_review_log
from xcat_rec.cli.app import COMMANDS, main
from xcat_rec.cli.options import parse_extra, read_yaml, split_fields, take_card
from xcat_rec.exporting.manifest import FORMAT, MANIFEST_FILE, Manifest
from xcat_rec.modeling_xcat.conditions_xcat import conditions_of
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers.words import read_rerankers
from xcat_rec.ranking.sessions.session import Sessions
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.state import ChatState
from xcat_rec.serving.feedback import Impression, Reaction, open_feedback
from xcat_rec.serving.feedback.stored_events import stored_events
from xcat_rec.serving.state.urls import open_state
from xcat_rec.tokenization.images.decoding import decode_image
from xcat_rec.tokenization.images.fetching import ImageError
from xcat_rec.tokenization.images.references import has_images, holds_vectors, references_of, vectors_of
from xcat_rec.tokenization.policy import ContentPolicy
from xcat_rec.tokenization.policy.content_policy import read_policy
from xcat_rec.tokenization.policy.word_lists import WordFinder, read_lists
from xcat_rec.tokenization.sources import load_shop, read_table
from xcat_rec.tokenization.sources.labels import read_labels
from xcat_rec.tokenization.tables.event_times import read_call_times
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.search_space import read_space
from xcat_rec.training.studies import finished, open_study, trial_table
from xcat_rec.workflows.bench_results import read_rows
from xcat_rec.workflows.fields import parse_columns

ITEMS = [
    {"item_id": "C1", "title": "Blue hiking tent for two", "category": "Tents", "brand": "Acme", "price": 80.0},
    {"item_id": "C2", "title": "Red family tent", "category": "Tents", "brand": "Acme", "price": 120.0},
    {"item_id": "S1", "title": "Peanut bar, 12 g", "category": "Snacks", "brand": "Simple", "price": 2.5},
    {"item_id": "S2", "title": "Oat \"cookies\"", "category": "Snacks", "brand": None, "price": 3.0},
    {"item_id": "帐1", "title": "山野行蓝色双人帐篷", "category": "帐篷", "brand": "山野行", "price": 99.0},
    {"item_id": "酒1", "title": "红葡萄酒 750ml", "category": "酒", "brand": "北岸", "price": 45.0},
]  # fmt: skip
EVENTS = [
    {"user_id": f"u{user}", "item_id": ITEMS[(user + 2 * n) % 6]["item_id"], "timestamp": 1_700_000_000 + 86_400 * n,
     "event_type": ("view", "purchase")[n % 2], "rating": float(n % 5 + 1)}
    for user in range(5) for n in range(4)
]  # fmt: skip


@dataclass
class Parser:
    """A parser and its valid inputs.

    Args:
        name: Its name.
        seeds: Valid inputs.
        read: Gives an input to the parser, in an empty folder.
        mentions: Texts of which every error has one, such as the name of the file or of the argument.
        changed: Changes an input, given all valid ones.
        errors: Other types of documented errors.
    """

    name: str
    seeds: list[bytes]
    read: Callable[[Path, bytes], object]
    mentions: tuple[str, ...] = ()
    changed: Callable[[bytes, list[bytes], random.Random], bytes] = change.changed_bytes
    errors: tuple[type[Exception], ...] = ()


def _events() -> pl.DataFrame:
    return pl.DataFrame(EVENTS)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode() + b"\n"


def _text(content: bytes) -> str:
    """A text, as a JSON request can have it: bytes that are no UTF-8 become lone surrogates."""
    return content.decode("utf-8", "surrogateescape")


# Tables


def _shop_of(folder: Path, content: bytes, name: str) -> None:
    """Read a shop whose events are the input; the items are valid."""
    pl.DataFrame(ITEMS).write_parquet(folder / "items.parquet")
    (folder / name).write_bytes(content)
    shop = load_shop(folder)
    shop.report.describe()


def _table(folder: Path, content: bytes, name: str) -> None:
    (folder / name).write_bytes(content)
    read_table(folder / name)


def _frame(folder: Path, content: bytes) -> None:
    """Items and events with other columns, from Parquet as it was written."""
    size = int.from_bytes(content[:4], "little")
    (folder / "items.parquet").write_bytes(content[4 : 4 + size])
    (folder / "events.parquet").write_bytes(content[4 + size :])
    load_shop(folder).report.describe()


def _pair(items: pl.DataFrame, events: pl.DataFrame) -> bytes:
    first, second = (_written(lambda table, file: table.write_parquet(file), table) for table in (items, events))
    return len(first).to_bytes(4, "little") + first + second


def _written(write: Callable[[pl.DataFrame, Any], object], table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    write(table, buffer)
    return buffer.getvalue()


def _changed_pair(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    size = int.from_bytes(content[:4], "little")
    tables = [pl.read_parquet(io.BytesIO(part)) for part in (content[4 : 4 + size], content[4 + size :])]
    place = draw.randrange(2)
    tables[place] = change.changed_frame(tables[place], draw)
    return _pair(*tables)


TIMES = (
    "2024-01-31T12:00:00Z", "2024-01-31", "31/01/2024 23:59", "01/31/24 11:59 PM", "1706659200", "1706659200000",
    "31 Jan 2024", "Wed, 31 Jan 2024 12:00:00 +0100", "20240131", "2024年1月31日", "45322.5", "1.7e9",
)  # fmt: skip


def _times(folder: Path, content: bytes) -> None:
    """Times of an events table, one per line, and the same times given in a call."""
    texts = [line for line in content.decode("utf-8", "replace").split("\n") if line.strip()][:50]
    rows = [{"user_id": "u", "item_id": f"i{n % 3}", "timestamp": text} for n, text in enumerate(texts)]
    for told in (None, "day-first", "%Y-%m-%d"):
        with _documented("timestamp", "table", "events"):
            load_shop(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"]), time_format=told)
    read_call_times("timestamps", texts)


def _lists(folder: Path, content: bytes) -> None:
    """Items with lists as JSON lines: categories, images, vectors."""
    (folder / "items.jsonl").write_bytes(content)
    _events().write_parquet(folder / "events.parquet")
    shop = load_shop(folder, on_unknown_items="drop")
    for name in {"image", "vector"} & {*shop.items.columns}:
        column = shop.items[name]
        if has_images(column):
            vectors_of(column) if holds_vectors(column) else references_of(column)


def _dataset(folder: Path, content: bytes, name: str, others: dict[str, bytes]) -> None:
    """A data set in a published layout, with one file changed."""
    for other, whole in others.items():
        (folder / other).write_bytes(whole)
    (folder / name).write_bytes(content)
    load_shop(folder).report.describe()


RECBOLE = {
    "shop.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + "".join(f"u{n % 3}\tC{n % 2}\t{n % 5}.0\t{1_700_000_000 + n}\n" for n in range(9)),
    "shop.item": 'item_id:token\tname:token_seq\tvector:float_seq\nC0\t5" tent\t1 2.5\nC1\ttwo\t3\n',
    "shop.user": "user_id:token\tage:float\nu0\t31\nu1\told\n",
}
FUXICTR = {
    "train.csv": "user_id,item_id,click,time_stamp\n" + "".join(f"u{n % 3},i{n % 4},{n % 2},{n}\n" for n in range(12)),
    "valid.csv": "user_id,item_id,click,time_stamp\nu0,i1,1,20\nu1,i2,0,21\n",
    "test.csv": "user_id,item_id,click,time_stamp\nu0,i2,1,30\nu2,i3,0,31\n",
}
MOVIELENS = {
    "u.data": "".join(f"{n % 3 + 1}\t{n % 4 + 1}\t{n % 5 + 1}\t{880_000_000 + n}\n" for n in range(12)),
    "u.item": "".join(f"{n}|Film {n} (1995)|01-Jan-1995||http://x|{'|'.join('0' * 19)}\n" for n in range(1, 5)),
    "u.user": "".join(f"{n}|24|M|writer|85711\n" for n in range(1, 4)),
}
AMAZON = {
    "raw_review_Tents.jsonl": _lines([
        {"rating": 4.0, "title": "Fine", "text": "ok", "asin": "x", "parent_asin": f"C{n % 3}", "user_id": f"u{n % 2}",
         "timestamp": 1_700_000_000_123 + n, "verified_purchase": True} for n in range(8)
    ]).decode(),
    "raw_meta_Tents.jsonl": _lines([
        {"main_category": "Tents", "title": "A tent", "price": "from 12.50", "store": "Acme", "parent_asin": f"C{n}",
         "description": ["Two", "parts."], "categories": ["Tents"], "details": {"Weight": {"kg": 1}}} for n in range(3)
    ]).decode(),
}  # fmt: skip


def _datasets() -> list[Parser]:
    parsers = []
    for layout, files in (("recbole", RECBOLE), ("fuxictr", FUXICTR), ("movielens", MOVIELENS), ("amazon", AMAZON)):
        whole = {name: text.encode() for name, text in files.items()}
        for name, content in whole.items():
            mutate = change.changed_lines if name.endswith("jsonl") else change.changed_bytes
            read = partial(_dataset, name=name, others={k: v for k, v in whole.items() if k != name})
            parsers.append(Parser(f"{layout} {name}", [content], read, TABLE, mutate))
    return parsers


TABLE = ("table", "items", "events", "users", "file", "folder", "column", "shop", "data")
"""Words of which every message about tables has one."""


def _tables() -> list[Parser]:
    events = _events()
    csv, tsv = (_written(lambda t, f, s=s: t.write_csv(f, separator=s), events) for s in ",\t")
    odd = [csv.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + csv, csv.replace(b",", b";"), csv.decode().encode("utf-16")]
    lines, listed = _lines(EVENTS), json.dumps(EVENTS).encode()
    arrow = _written(lambda t, f: t.write_ipc(f), events)
    lists = _lines([
        {**row, "categories": [row["category"], "All"], "image": ["a.png", "b.png"], "vector": [0.5, 1.0]}
        for row in ITEMS
    ])  # fmt: skip
    packed, book = gzip.compress(csv), _written(lambda t, f: t.write_excel(f), events)
    with pa.BufferOutputStream() as sink, pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(csv)
        stream.close()
        zst = sink.getvalue().to_pybytes()
    kinds: list[tuple[str, list[bytes], Callable[..., bytes]]] = [
        ("csv", [csv, *odd], change.changed_bytes), ("tsv", [tsv], change.changed_bytes),
        ("jsonl", [lines], change.changed_lines), ("json", [listed], change.changed_json),
        ("parquet", [_written(lambda t, f: t.write_parquet(f), events)], change.changed_bytes),
        ("arrow", [arrow], change.changed_bytes), ("csv.gz", [packed], change.changed_bytes),
        ("csv.zst", [zst], change.changed_bytes), ("xlsx", [book], change.changed_bytes),
    ]  # fmt: skip
    parsers = [
        Parser(f"events.{kind}", seeds, partial(_shop_of, name=f"events.{kind}"), TABLE, changed)
        for kind, seeds, changed in kinds
    ]
    parsers += [
        Parser("columns of tables", [_pair(pl.DataFrame(ITEMS), events)], _frame, TABLE, _changed_pair),
        Parser("event times", [text.encode() for text in TIMES] + ["\n".join(TIMES[:2]).encode()], _times,
               (*TABLE, "timestamp")),
        Parser("columns with lists", [lists], _lists, TABLE, change.changed_lines),
        Parser("labels.csv", [b"item_id,label\nC1,tents\nS1,snacks\n"], _labels, ("label", "table")),
    ]  # fmt: skip
    return parsers + _datasets()


def _labels(folder: Path, content: bytes) -> None:
    (folder / "labels.csv").write_bytes(content)
    read_labels(folder / "labels.csv", "item_id")


# Texts

ENGLISH_TURNS = (
    "a blue tent under $100, please", "no peanuts, and between 20 and 50 dollars", "cheaper than that",
    "anything but Acme for my wife", "tent or boots, around 2k", "show me another one", "how long is shipping?",
    "not over twenty-five euros and no sugar, dairy or nuts", "start over", "the dearest one of Snacks",
)  # fmt: skip
CHINESE_TURNS = (
    "我想要一顶蓝色的帐篷，三百五十块以下", "不要山野行的，100到200元", "便宜一点的", "送给妈妈的礼物，不含花生",
    "两千多的红酒有吗", "换一个", "什么时候发货？", "帐篷或者饼干，１２０元左右", "重新开始", "最贵的是哪个",
)  # fmt: skip


@cache
def _recommender() -> XCatRecommender:
    return XCatRecommender.from_pretrained(str(_checkpoint()))


def _chat(folder: Path, content: bytes) -> None:
    chat = ChatSession(_recommender(), k=3)
    for line in _text(content).split("\n", 3)[:3]:
        turn = chat.say(line)
        turn.to_dict()
    json.dumps(chat.state.to_dict())


def _state(folder: Path, content: bytes) -> None:
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):  # the server refuses it as a body
        return
    ChatSession(_recommender(), k=3, state=ChatState.from_dict(plain)).say("cheaper")


def _filters(folder: Path, content: bytes) -> None:
    conditions = conditions_of(_text(content).split("\n"))
    _recommender().recommend(["C1"], filters=conditions)
    [str(one) for one in conditions]


def _query(folder: Path, content: bytes) -> None:
    _recommender().recommend(["C1"], query=_text(content))


def _rerank(folder: Path, content: bytes) -> None:
    _recommender().recommend(["C1"], rerank=read_rerankers(_text(content)))


def _fields(folder: Path, content: bytes) -> None:
    (folder / "fit.yaml").write_bytes(content)
    fields = read_yaml(folder / "fit.yaml")
    take_card(fields)
    split_fields(fields)


def _options(folder: Path, content: bytes) -> None:
    split_fields(parse_extra(_text(content).split("\n")))


def _space(folder: Path, content: bytes) -> None:
    names = [line.partition("=") for line in _text(content).split("\n")]
    read_space({name: values for name, _, values in names})


def _command(folder: Path, content: bytes) -> None:
    """A command line, in an empty folder without a checkpoint or tables."""
    arguments = _text(content).replace("\0", "").split("\n")
    if arguments[0] not in STOPPING:
        return
    told = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        try:
            main(arguments)
        except SystemExit as end:
            if end.code not in (0, 1, 2, None):
                raise AssertionError(f"exit code {end.code}: {told.getvalue()[-500:]}") from None


COMMAND_LINES = (
    ("fit", "shop/", "--output", "out", "--hidden-size", "64", "--seed=1", "--text-fields", "title,brand"),
    ("evaluate", "ckpt/", "shop/", "--columns", "item_id=sku,title=name", "--rerank", "mmr=0.3", "--json"),
    ("recommend", "ckpt/", "--history", "A,B", "-k", "5", "--filter", "price<20", "--query", "蓝色帐篷"),
    ("audit", "ckpt/", "shop/", "--output", "out", "--draws", "2", "--temperature", "0.1"),
    ("attack", "ckpt/", "shop/", "--kind", "random", "--share", "0.01", "--output", "out"),
    ("tune", "shop/", "--space", "learning_rate=5e-4..1e-2:log", "--trials", "2"),
    ("bench", "shop/", "--models", "popularity", "--seeds", "1", "--config", "a.yaml"),
    ("review", "ckpt/", "--approve", "A", "--by", "anna", "--reason", "fine"),
    ("inspect", "shop/", "--time-format", "%Y", "--encoding", "cp1252"),
    ("prepare", "shop/", "--split", "last-basket", "--max-history", "5"),
    ("replay", "ckpt/", "--log", "log.db", "--reactions", "click"),
    ("forget", "anna", "--state", "state"), ("explain", "ckpt/", "A", "--history", "B"),
)  # fmt: skip
STOPPING = {line[0] for line in COMMAND_LINES} & set(COMMANDS)
"""Commands that stop without a checkpoint, tables or a log."""


def _lines_of(texts: tuple[str, ...]) -> list[bytes]:
    return [text.encode() for text in texts]


def _texts() -> list[Parser]:
    yaml = b"hidden_size: 64\nlearning_rate: 0.001\ntext_fields: [title, brand]\ncard:\n  license: mit\nsplit: auto\n"
    rules = ("mmr=0.3,max-per=brand:2", "calibrate=0.5", 'share=long-tail:0.3,pin="C1"', "logit-adjustment=0.2:2")
    spaces = ("learning_rate=5e-4..1e-2:log\nnum_train_epochs=8|16", "weight_decay=0.1..0.3")
    columns = ("item_id=sku,title=name", r"user_id=Customer\, ID,events.item_id=product_id")
    conditions = ("price<20\nbrand!=Acme", 'category in Tents,"Snacks"', "price not > 3", "brand not in Acme,山野行")
    options = ("--learning-rate\n1e-3\n--memory-sources=[item_text]", "--seed\n1\n--bf16", "--split\ncolumn")
    commands = tuple("\n".join(line) for line in COMMAND_LINES)
    dialogue = ChatSession(_recommender(), k=3)
    dialogue.say("a blue tent under $100")
    state = json.dumps(dialogue.state.to_dict()).encode()
    return [
        Parser("chat in English", _lines_of((*ENGLISH_TURNS, "\n".join(ENGLISH_TURNS[:3]))), _chat),
        Parser("chat in Chinese", _lines_of((*CHINESE_TURNS, "\n".join(CHINESE_TURNS[:3]))), _chat),
        Parser("state of a chat", [state], _state, ("state",), change.changed_json),
        Parser("filters", _lines_of(conditions), _filters, ("filters", "column")),
        Parser("queries", _lines_of(("tent", "bar tent", "帐篷")), _query, ("quer",)),
        Parser("re-ranking rules", _lines_of(rules), _rerank, ("rerank", "column", "pin")),
        Parser("column names", _lines_of(columns), lambda _, c: parse_columns(_text(c)), ("columns",)),
        Parser("search space", _lines_of(spaces), _space, ("space",)),
        Parser("YAML configuration", [yaml], _fields),
        Parser("fields of a command", _lines_of(options), _options),
        Parser("command lines", _lines_of(commands), _command),
    ]


# Files


@cache
def _checkpoint() -> Path:
    """An untrained checkpoint with a content policy and a decision."""
    import tempfile

    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = Path(tempfile.mkdtemp(prefix="xcat-fuzz-"))
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "tent", "bar", "帐篷"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=64)  # fmt: skip
    BertModel(config).save_pretrained(place / "encoder")
    fast.save_pretrained(place / "encoder")
    shop = validate_tables(pl.DataFrame(ITEMS), _events(), name="fuzzed shop")
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "max_history": 8}
    made = prepare_training(shop, PreparationOptions(text_encoder=str(place / "encoder"), config=small,
                                                     policy="standard"))  # fmt: skip
    made.model.model.asks.view.fill_(1.0)  # it reads queries
    made.model.save_pretrained(place / "checkpoint")
    made.processor.save_pretrained(place / "checkpoint")
    for file in (place / "checkpoint").glob("*.py"):
        file.unlink()
    decide(place / "checkpoint", {"酒1": "approved"}, by="anna", reason="shown to adults")
    decide(place / "checkpoint", {"酒1": "blocked"}, by="bo", reason="no longer")
    return place / "checkpoint"


def _load(folder: Path, content: bytes, name: str) -> None:
    place = shutil.copytree(_checkpoint(), folder / "checkpoint")
    (place / name).write_bytes(content)
    XCatRecommender.from_pretrained(str(place)).recommend(["C1"], k=3)


def _review(folder: Path, content: bytes) -> None:
    (folder / REVIEW_FILE).write_bytes(content)
    read_review_log(folder)


def _policy(folder: Path, content: bytes) -> None:
    (folder / "policy.json").write_bytes(content)
    policy = read_policy(folder / "policy.json")
    if policy is not None:
        policy.check("vodka 12% and a tent")


def _word_list(folder: Path, content: bytes) -> None:
    lists = read_lists(content.decode("utf-8", "replace"), chinese=True)
    WordFinder(lists).find("v.o.d.k.a and a 帐篷, rum cake " + content.decode("utf-8", "replace")[:200])


def _content(folder: Path, content: bytes) -> None:
    ContentPolicy().check(_text(content))


def _feedback(folder: Path, content: bytes) -> None:
    (folder / "state.db").write_bytes(content)
    log = open_feedback(folder / "state.db", reading=True)
    try:
        log.summary()
        [*log.impressions(), *log.reactions()]
    finally:
        log.close()


def _events_of_store(folder: Path, content: bytes) -> None:
    (folder / "state.db").write_bytes(content)
    stored_events(folder / "state.db")


def _sessions(folder: Path, content: bytes) -> None:
    (folder / "state.db").write_bytes(content)
    log = open_state(f"sqlite:///{folder}/state.db")
    try:
        Sessions(_recommender(), log).session("anna").recommend(3)
    finally:
        log.close()


def _study(folder: Path, content: bytes) -> None:
    (folder / "study.db").write_bytes(content)
    study = open_study(folder / "study.db", "maximize", {"data": "shop"})
    finished(study), trial_table(study)


def _database(make: Callable[[Path], None], folder: Path) -> bytes:
    place = folder / "made.db"
    make(place)
    with contextlib.closing(sqlite3.connect(place)) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        base.execute("PRAGMA journal_mode = DELETE").fetchall()
    content = place.read_bytes()
    place.unlink()
    return content


def _make_store(place: Path) -> None:
    sessions = Sessions(_recommender(), open_state(f"sqlite:///{place}"))
    for item in ("C1", "S1", "帐1"):
        sessions.session("anna").append(item)
    sessions.log.close()
    log = open_feedback(place)
    log.show(Impression("i1", "anna", 10, "c1", ("C1", "S1"), (0.5, 0.25), ("C2",), {"k": 2}))
    log.react(Reaction("i1", "S1", "click", 12))
    log.close()


def _make_study(place: Path) -> None:
    study = open_study(place, "maximize", {"data": "shop"})
    for value in (0.1, 0.2):
        trial = study.ask()
        trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        study.tell(trial, value)


def _manifest(folder: Path, content: bytes) -> None:
    (folder / MANIFEST_FILE).write_bytes(content)
    Manifest.load(folder)


def _image(folder: Path, content: bytes) -> None:
    decode_image(content)


def _images() -> list[bytes]:
    from PIL import Image

    found = []
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        buffer = io.BytesIO()
        Image.new("RGB", (24, 16), (200, 30, 90)).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


def _files(folder: Path) -> list[Parser]:
    place = _checkpoint()
    how = {".json": change.changed_json, ".safetensors": change.changed_tensors}
    names = sorted(path.name for path in place.iterdir() if path.suffix in (".json", ".safetensors", ".arrow"))
    parsers = [
        Parser(f"checkpoint {name}", [(place / name).read_bytes()], partial(_load, name=name),
               (name, "checkpoint"), how.get(Path(name).suffix, change.changed_bytes))
        for name in names
    ]  # fmt: skip
    store = _database(_make_store, folder)
    rows = [{"model": "xcat", "seed": 0, "metrics": {"ndcg@10": 0.1}, "slices": {}}]
    runs = json.dumps(rows).encode()
    settings = json.dumps({"outcomes": {"alcohol": "sensitive"}, "words": {"alcohol": ["vodka"]}}).encode()
    known = ContentPolicy().settings()
    lists = "[alcohol]\nvodka\n? rum\n- rum cake\n! candy\n[hate]\n坏词\n".encode()
    graphs = json.dumps({
        "format": FORMAT, "version": "1", "dtype": "fp32", "model": "m", "catalogue": "c", "num_items": 6,
        "max_history": 8, "graphs": {}, "files": {}, "checks": {},
    }).encode()  # fmt: skip
    in_database = lambda content, _, draw: change.changed_database(content, folder / "changing.db", draw)  # noqa: E731
    return [
        *parsers,
        Parser("review.jsonl", [(place / REVIEW_FILE).read_bytes()], _review, (REVIEW_FILE,), change.changed_lines),
        Parser("policy settings", [settings, json.dumps(known).encode()], _policy, ("policy",), change.changed_json),
        Parser("word lists", [lists], _word_list, ("word list",)),
        Parser("texts of the content policy", _lines_of((*ENGLISH_TURNS, *CHINESE_TURNS, "v.o.d.k.a")), _content),
        Parser("feedback log", [store], _feedback, ("state.db",), in_database),
        Parser("events of a store", [store], _events_of_store, ("state.db",), in_database),
        Parser("sessions of a store", [store], _sessions, changed=in_database),
        Parser("saved study", [_database(_make_study, folder)], _study, ("study",), in_database),
        Parser("bench.json", [runs], lambda f, c: (f / "bench.json").write_bytes(c) and read_rows(f / "bench.json"),
               ("bench.json",), change.changed_json),
        Parser("manifest of graphs", [graphs], _manifest, (MANIFEST_FILE,), change.changed_json),
        Parser("images", _images(), _image, errors=(ImageError,)),
    ]  # fmt: skip


@contextlib.contextmanager
def _documented(*mentions: str) -> Any:
    """Let a documented error of one of several calls pass."""
    from parser_fuzz import fault_of

    try:
        yield
    except Exception as error:
        if fault_of(error, mentions) is not None:
            raise


def parsers(folder: Path) -> dict[str, Parser]:
    """All parsers by name.

    Args:
        folder: Folder for files that are made on the way.
    """
    return {one.name: one for one in (*_tables(), *_texts(), *_files(folder))}
