"""What rendered images bring, on a synthetic shop whose customers follow looks, and on Scientific.

The pictures are rendered, not photographs of products. In the synthetic shop a picture shows the style of an item,
which its title does not name. On Scientific a picture shows category and brand, which the text names too.

    python benchmarks/images.py styles --users 900 --no-rerankers --seeds 0 --output results
    python benchmarks/images.py scientific --data DATA --users 1500 --no-rerankers --seeds 0 --output results
"""

from __future__ import annotations

import argparse
import colorsys
import hashlib
import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine_line
from PIL import Image, ImageDraw

import xcat_rec
from xcat_rec.catalogue.modalities import NO_IMAGES, SHUFFLED, WHOLE, changed_content
from xcat_rec.checkpoints.load import load_base
from xcat_rec.evaluation.modalities import ModalityReport
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.workflows.modalities import measure_modalities

NOUNS = ("lamp", "mug", "rug", "chair", "clock", "cushion", "poster", "vase", "tray", "blanket")
WORDS = ("classic", "daily", "home", "plain", "good", "basic", "standard", "new", "nice", "common")
STYLES, SIDE, DAY = 8, 96, 86_400
IMAGE_ONLY = 0.1
"""Share of items of the synthetic shop without text, which are added after training."""


def draw(style: int, noun: int, seed: int) -> Image.Image:
    """A picture: the colour and the pattern show the style, the outline the kind of product."""
    generator = np.random.default_rng(seed)
    hue = (style % 4) / 4 + generator.normal(0, 0.02)
    light = tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, 0.25, 0.98))
    dark = tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, 0.8, 0.7))
    picture = Image.new("RGB", (SIDE, SIDE), (245, 245, 245))
    pen = ImageDraw.Draw(picture)
    left, top = generator.integers(4, 18, 2)
    right, bottom = SIDE - generator.integers(4, 18, 2)
    box = (int(left), int(top), int(right), int(bottom))
    (pen.ellipse if noun % 2 else pen.rectangle)(box, fill=light, outline=dark, width=3)
    step = 9 + noun
    for place in range(-SIDE, 2 * SIDE, step):
        if style // 4 % 2:
            pen.line((place, box[1], place + SIDE, box[3]), fill=dark, width=3)
        else:
            for row in range(box[1], box[3], step):
                pen.ellipse((place, row, place + 5, row + 5), fill=dark)
    noise = generator.normal(0, 6, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class NewItems:
    """Items with an image and no text that are added after training, and who chose one of them next.

    Args:
        table: File of their items table.
        histories: Item ids of each user before.
        targets: The new item that each user chose.
    """

    table: Path
    histories: list[list[str]]
    targets: list[str]


def styles_shop(folder: Path, seed: int, users: int, per_cell: int = 8) -> tuple[ShopTables, NewItems]:
    """Customers who stay with a style in four of five events; the kinds of product follow each other.

    The style is in the picture alone, the kind in the title too. A tenth of the items has no title; they are new.
    """
    generator = np.random.default_rng(seed)
    cells = [(style, noun) for style in range(STYLES) for noun in range(len(NOUNS)) for _ in range(per_cell)]
    new = generator.random(len(cells)) < IMAGE_ONLY
    rows = []
    for number, (style, noun) in enumerate(cells):
        name = f"{number:04d}.png"
        draw(style, noun, 10_000 * seed + number).save(folder / name)
        title = f"{WORDS[int(generator.integers(len(WORDS)))]} {NOUNS[noun]} {number % 97}"
        rows.append({"item_id": f"i{number}", "title": None if new[number] else title, "picture": name})
    by_cell: dict[tuple[int, int, bool], list[int]] = {}
    for number, cell in enumerate(cells):
        by_cell.setdefault((*cell, bool(new[number])), []).append(number)
    events, histories, targets = [], [], []
    for user in range(users):
        style, noun = int(generator.integers(STYLES)), int(generator.integers(len(NOUNS)))
        mine: list[str] = []
        for place in range(int(generator.integers(7, 13))):
            seen = style if generator.random() < 0.8 else int(generator.integers(STYLES))
            found = by_cell[seen, noun, False]
            mine.append(f"i{found[int(generator.integers(len(found)))]}")
            events.append({"user_id": f"u{user}", "item_id": mine[-1], "timestamp": DAY * place + user})
            noun = (noun + int(generator.choice([1, 2, 3]))) % len(NOUNS)
        if found := by_cell.get((style, noun, True)):
            histories.append(mine)
            targets.append(f"i{found[int(generator.integers(len(found)))]}")
    items = pl.DataFrame(rows)
    items.filter(pl.Series(new)).write_csv(folder / "new.csv")
    known = items.filter(~pl.Series(new))
    shop = replace(validate_tables(known, pl.DataFrame(events), name="styles"), folder=folder)
    return shop, NewItems(folder / "new.csv", histories, targets)


def found_new_items(new: NewItems, checkpoint: Path) -> dict[str, Any]:
    """Recall@10 of new items without text, among all items, with their images, without, and with other images."""
    grown = checkpoint.parent / "grown"
    xcat_rec.add_items(checkpoint, new.table, grown, overwrite=True)
    model, processor = load_base(grown)
    found: dict[str, Any] = {"users": len(new.targets), "by chance": 10 / processor.catalogue.num_items}
    for condition in (WHOLE, NO_IMAGES, SHUFFLED):
        with changed_content(model, condition):
            lists = xcat_rec.XCatRecommender(model, processor).recommend_many(new.histories, 10)
        hits = [any(one.item_id == target for one in of) for of, target in zip(lists, new.targets, strict=True)]
        found[condition] = float(np.mean(hits))
    return found


def rendered_shop(shop: ShopTables, folder: Path, users: int | None) -> ShopTables:
    """A data set with a rendered picture per item, of its category and brand: 80 looks with four pictures each.

    With `users`, only so many users, drawn with seed 0, and the items of their events.
    """
    events, items = shop.events, shop.items
    if users is not None:
        kept = events["user_id"].unique().sort().sample(users, seed=0, shuffle=True)
        events = events.filter(pl.col("user_id").is_in(kept.to_list()))
        items = items.filter(pl.col("item_id").is_in(events["item_id"].unique().to_list()))
    names = []
    for number, (category, brand) in enumerate(items.select("category", "brand").iter_rows()):
        codes = [int(hashlib.sha256(str(text).encode()).hexdigest()[:8], 16) for text in (brand, category)]
        look = (codes[0] % STYLES, codes[1] % len(NOUNS), number % 4)
        name = "-".join(map(str, look)) + ".png"
        if not (folder / name).is_file():
            draw(look[0], look[1], seed=100 * look[0] + 10 * look[1] + look[2]).save(folder / name)
        names.append(name)
    return replace(shop, items=items.with_columns(pl.Series("picture", names)), events=events, folder=folder)


def measured(found: ModalityReport) -> dict[str, Any]:
    return {
        **found.to_dict(),
        "changes": {name: found.change(name) for name in found.reports},
        "shuffled minus dropped": str(found.difference(found.shuffled, found.without)),
    }


def run(
    shop: ShopTables, new: NewItems | None, seed: int, pictured: bool, work: Path, fields: dict[str, Any]
) -> dict[str, Any]:
    """Metrics of a model that was trained with or without images; with images, in every condition."""
    begun = time.perf_counter()
    images = {"images": "picture"} if pictured else {}
    fitted = xcat_rec.fit(shop, work / "model", seed=seed, card=None, overwrite=True, tell=print, **images, **fields)
    found = fitted.reports["XCat"]
    results: dict[str, Any] = {
        "seed": seed, "machine": machine_line(), "users": found.num_users, "fields": fields,
        "ndcg@10": found.value("ndcg@10"), "recall@10": found.value("recall@10"),
        "seconds": round(time.perf_counter() - begun),
    }  # fmt: skip
    if pictured:
        for part in ("validation", "test"):
            rows = fitted.prepared.splits[part]
            results[part] = measured(measure_modalities(fitted.model, fitted.prepared.processor, rows))
    if pictured and new is not None:
        results["recall@10 of new items"] = found_new_items(new, work / "model")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shop", choices=["styles", "scientific"])
    parser.add_argument("--data", help="Data of Scientific, as in xcat fit.")
    parser.add_argument("--users", type=int, help="Users; by default 1,200 of styles and all of Scientific.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", choices=["with", "without"], default=["with", "without"])
    parser.add_argument("--no-rerankers", action="store_true", help="Leave the re-rankers out of both models.")
    parser.add_argument("--epochs", type=int, help="Most epochs of both models; by default chosen from the data.")
    parser.add_argument("--output", type=Path, default=Path("images-benchmark"))
    args = parser.parse_args()
    fields: dict[str, Any] = {"num_candidates": 0, "num_discovery_candidates": 0} if args.no_rerankers else {}
    if args.epochs is not None:
        fields["num_train_epochs"] = args.epochs
    for seed in args.seeds:
        for model in args.models:
            work = args.output / f"{args.shop}-{model}-{seed}"
            pictures = work / "pictures"
            pictures.mkdir(parents=True, exist_ok=True)
            if args.shop == "styles":
                given, new = styles_shop(pictures, seed, args.users or 1200)
            else:
                given, new = rendered_shop(xcat_rec.load_shop(args.data), pictures, args.users), None
            results = run(given, new, seed, model == "with", work, fields)
            told = json.dumps(results, indent=1)
            (args.output / f"{args.shop}-{model}-{seed}.json").write_text(told + "\n")
            print(told)
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
