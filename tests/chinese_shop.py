"""A Chinese data set with titles, reviews and search queries, and tiny text encoders that read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from .tiny_shop import DAY, save_text_encoder

_SHELVES = {
    "露营": (
        "双人防雨帐篷", "轻量羽绒睡袋", "折叠野餐桌", "便携燃气炉", "头戴式照明灯", "充气防潮垫", "户外保温水壶",
        "登山背包", "速干毛巾", "防风打火机",
    ),
    "茶叶": (
        "明前龙井绿茶", "安溪铁观音", "云南普洱茶饼", "福鼎白茶", "茉莉花茶", "正山小种红茶", "武夷岩茶大红袍",
        "菊花枸杞茶", "碧螺春礼盒", "陈皮普洱小罐",
    ),
    "文具": (
        "黑色中性笔", "方格笔记本", "彩色荧光笔", "透明文件袋", "儿童水彩颜料", "不锈钢直尺", "自动铅笔", "桌面收纳盒",
        "便利贴套装", "修正带",
    ),
    "厨具": (
        "铸铁炒锅", "不粘平底锅", "竹木砧板", "陶瓷菜刀", "玻璃保鲜盒", "电子厨房秤", "硅胶锅铲", "家用蒸笼",
        "不锈钢汤锅", "手动打蛋器",
    ),
}  # fmt: skip
_QUERIES = {
    "露营": ("周末露营要带的东西", "下雨天也能用的装备"),
    "茶叶": ("送长辈的好茶", "清香一点的茶"),
    "文具": ("开学要买的文具", "写字顺滑的笔"),
    "厨具": ("不粘锅的锅", "切菜做饭用的"),
}
_REVIEWS = ("质量很好,下次还来买", "包装有点破,味道一般", "送货快,孩子很喜欢", "用了一周就坏了,失望")
_BRANDS = ("山野", "清和", "明日")
USERS, START = 25, 1_700_000_000
TEXTS = [
    *(title for titles in _SHELVES.values() for title in titles),
    *(query for queries in _QUERIES.values() for query in queries),
    *_REVIEWS, *_BRANDS, *_SHELVES,
]  # fmt: skip


def items_table() -> pl.DataFrame:
    """40 items in 4 categories."""
    rows = [(title, shelf) for shelf, titles in _SHELVES.items() for title in titles]
    return pl.DataFrame([
        {"item_id": f"商品{i:02d}", "title": title, "brand": _BRANDS[i % 3], "category": shelf, "price": 9.9 + i}
        for i, (title, shelf) in enumerate(rows)
    ])  # fmt: skip


def events_table() -> pl.DataFrame:
    """200 events of 25 users, each in two categories, with a search query before and a review after some of them."""
    generator = np.random.default_rng(5)
    shelves, rows = list(_SHELVES), []
    for user in range(USERS):
        mine = generator.choice(len(shelves), 2, replace=False)
        for n, item in enumerate(
            generator.permutation(np.concatenate([10 * s + generator.choice(10, 4, False) for s in mine]))
        ):
            shelf = shelves[item // 10]
            rows.append({
                "user_id": f"顾客{user:02d}", "item_id": f"商品{item:02d}", "timestamp": START + user + DAY * n,
                "event_type": "purchase", "rating": float(generator.integers(1, 6)),
                "query": _QUERIES[shelf][n % 2] if n % 2 else None,
                "review_text": _REVIEWS[int(generator.integers(4))] if n % 3 == 0 else None,
            })  # fmt: skip
    return pl.DataFrame(rows)


def write_shop(folder: Path) -> Path:
    """The tables as files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    items_table().write_csv(folder / "items.csv")
    events_table().write_csv(folder / "events.csv")
    return folder


def character_tokenizer(texts: Sequence[str] = TEXTS) -> PreTrainedTokenizerFast:
    """One token per character: the characters of some texts and ASCII."""
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *map(chr, range(32, 127)), "、", "：", *sorted(set("".join(texts)))]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def save_encoder(folder: Path, pooling: str | None = None, prompts: dict[str, str] | None = None) -> Path:
    """A BERT of one layer that reads Chinese.

    Args:
        folder: Where to save it.
        pooling: Flag of sentence-transformers' pooling, such as "pooling_mode_cls_token"; None for a plain model.
        prompts: Prompts of sentence-transformers, by name.
    """
    save_text_encoder(folder, character_tokenizer())
    if pooling is not None:
        kinds = ("Transformer", "Pooling")
        modules = [
            {"idx": i, "name": str(i), "path": i * f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"}
            for i, kind in enumerate(kinds)
        ]
        (folder / "1_Pooling").mkdir()
        _write(folder / "modules.json", modules)
        _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 16, pooling: True})
        _write(folder / "config_sentence_transformers.json", {"prompts": prompts or {}})
    return folder


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
