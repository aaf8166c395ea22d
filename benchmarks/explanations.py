"""Faithfulness and cost of explanations: deletion and insertion curves of every method, on one checkpoint.

    python benchmarks/explanations.py CKPT DATA [--part validation|test] [--users N] [--seed 0] [--output FILE.json]
    python benchmarks/explanations.py --merge FILE.json FILE.json ...

A long run can be made in parts with `--skip`, whose files `--merge` puts into one table.

For users with at least three different items in their history, the items in places 1, 5 and 10 of the `discover` list
are explained. Deletion removes the items of the history one after the other, the most important first, and ranks the
catalogue again after each; insertion adds them to an empty history in the same order. A point of a curve is the log
probability of the explained item, by the softmax over the items that the history lacks.

"deletion" is the mean fall along the curve in nats, and "insertion" the mean gain over the empty history: larger is
better. "area under deletion" and "area above insertion" are the same with probabilities, relative to the whole
history's and at most 1: smaller is better. The same fall is measured for the words of the first item's text, which is
encoded again after each removal. Changes have the 95 % interval of a paired bootstrap over users.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine_line

from xcat_rec.evaluation.bootstrap import relative_bootstrap
from xcat_rec.modeling_xcat.explanation_xcat import COMPARED, latest_items, list_influences
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.ranked_xcat import Ranked, catalogue_scores, ranked_items
from xcat_rec.ranking.explanation.explainer import odds_of
from xcat_rec.ranking.explanation.methods import METHODS, Case
from xcat_rec.ranking.explanation.words import TextVariants
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.user_texts import words_of_tokens
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.read_shop import read_shop

PLACES = (1, 5, 10)
"""Places of the explained items in their list."""
LEAST_ITEMS = 3
TIES = 10
"""Further items of a list, which may have the score of the item whose place is checked."""
HISTORIES_AT_ONCE = 64
PER_EVENT = ("event_types", "ratings", "timestamps")
AREAS = ("deletion", "insertion", "area under deletion", "area above insertion")

Row = dict[str, Any]


def kept_rows(row: Row, kept: frozenset[int]) -> Row:
    """A row of a split with some of its items; one event of an unknown item without any."""
    places = [place for place, item in enumerate(row["items"]) if item in kept]
    if not places:
        empty = {name: row[name][:1] for name in PER_EVENT if row.get(name)}
        return {**row, **empty, "items": [1]}
    names = ["items", *(name for name in PER_EVENT if row.get(name))]
    return {**row, **{name: [row[name][place] for place in places] for name in names}}


class Curves:
    """Scores of one user's explained items for parts of the history."""

    def __init__(self, recommender: XCatRecommender, row: Row) -> None:
        self.recommender, self.row = recommender, row
        self.had = list(dict.fromkeys(reversed(row["items"])))
        self._orders: dict[tuple[str, int], list[int]] = {}

    @torch.no_grad()
    def log_probabilities(self, parts: Sequence[frozenset[int]], rows: torch.Tensor) -> torch.Tensor:
        """(parts, n) log probabilities of items."""
        ranker, found = self.recommender.ranker, []
        for start in range(0, len(parts), HISTORIES_AT_ONCE):
            some = [kept_rows(self.row, kept) for kept in parts[start : start + HISTORIES_AT_ONCE]]
            states, recent = ranker.states(self.recommender.processor.collate(some))
            recent = recent.discovering([one["items"] for one in some])
            scores = catalogue_scores(ranker.model.model, states, recent, ranker.items)
            scores[:, torch.tensor(self.had)] = -torch.inf
            found.append(torch.log_softmax(scores.double(), 1)[:, rows])
        return torch.cat(found)

    def add(self, name: str, values: torch.Tensor, items: torch.Tensor) -> None:
        """Add the orders of a method: (n, had) values of item indices."""
        for number, own in enumerate(values):
            order = items[own.argsort(descending=True, stable=True)].tolist()
            self._orders[name, number] = order + [item for item in self.had if item not in order]

    def areas(self, rows: torch.Tensor) -> dict[str, np.ndarray]:
        """(4,) means over the explained items of each method; see `AREAS`."""
        places: dict[frozenset[int], int] = {}
        paths = {}
        for key, order in self._orders.items():
            whole = frozenset(order)
            added = [frozenset(order[:count]) for count in range(len(order) + 1)]
            paths[key] = [whole - one for one in added], added
            for one in (*paths[key][0], *added):
                places.setdefault(one, len(places))
        values = self.log_probabilities(list(places), rows).numpy()
        found: dict[str, list[tuple[float, ...]]] = {}
        for (name, number), (removed, added) in paths.items():
            falling, rising = ([values[places[one], number] for one in path] for path in (removed, added))
            found.setdefault(name, []).append(
                (
                    _area(falling[0] - np.array(falling)), _area(np.array(rising) - rising[0]),
                    _area(_shares(falling, falling[0])), 1 - _area(_shares(rising, rising[-1])),
                )
            )  # fmt: skip
        return {name: np.mean(own, axis=0) for name, own in found.items()}


def _area(values: np.ndarray) -> float:
    return float(np.trapezoid(values) / (len(values) - 1))


def _shares(values: Sequence[float], whole: float) -> np.ndarray:
    return np.exp(np.minimum(np.array(values) - whole, 0.0))


def influences_of(recommender: XCatRecommender, row: Row, generator: torch.Generator) -> dict[str, np.ndarray]:
    """Areas of each method for one user."""
    ranker, curves = recommender.ranker, Curves(recommender, row)
    found, case = best_items(recommender, row, PLACES)
    gaps = int(ranker.model.config.num_time_gap_buckets)
    (influence,) = list_influences(found, case.rows[None], [len(PLACES)], case.inputs, ranker.states, gaps)
    for name, method in METHODS.items():
        curves.add(name, method(case, influence), influence.items)
    shape = influence.support.shape
    curves.add("the latest first", -torch.arange(shape[1]).expand(shape).float(), influence.items)
    curves.add("random", torch.rand(shape, generator=generator), influence.items)
    return curves.areas(case.rows)


@torch.no_grad()
def word_areas(recommender: XCatRecommender, row: Row, generator: torch.Generator) -> dict[str, float] | None:
    """Mean fall of the first item's log odds as the words of its text are removed, the most important first."""
    found, case = best_items(recommender, row, (1,))
    item = int(case.rows[0])
    variants, odds = TextVariants(recommender, case, found.candidates[0], None), odds_of(found, item)
    text, words = variants.words_of(item)
    if len(words) < LEAST_ITEMS:
        return None
    by_word = {one.word: one.influence for one in variants.influences(item, odds)}
    gradient = word_gradients(recommender, case, text)
    orders = {
        "leave-word-out": sorted(words, key=lambda word: -by_word[word]),
        "gradient on token states": sorted(words, key=lambda word: -gradient[word]),
        "random": [words[place] for place in torch.randperm(len(words), generator=generator)],
    }
    falls = {}
    for name, order in orders.items():
        texts = [text]
        for word in order:
            texts += recommender.processor.asks_without(texts[-1:], [word])
        values = odds(variants.scores(item, texts)).numpy()
        falls[name] = _area(values[0] - values)
    return falls


def word_gradients(recommender: XCatRecommender, case: Case, text: str) -> dict[str, float]:
    """Gradient times token states of the dot product, summed by word."""
    base, processor = case.base, recommender.processor
    tokens = processor.tokenize([text])
    words = words_of_tokens(processor.tokenizer, [text], processor.max_text_length)[0]
    with torch.no_grad():
        states, _, _ = base.encode_queries(**case.inputs)
        queries = base.first_stage(states, case.recent).queries
        hidden = base.text.encoder(**tokens).last_hidden_state
    hidden.requires_grad_()
    with torch.enable_grad():
        mask = tokens["attention_mask"][..., None]
        pooled = base.text.whiten((hidden * mask).sum(1) / mask.sum(1))
        rest = base.items(case.rows) - base.items.adaptor(base.items.text_states[base.items.text_index[case.rows], 0])
        side = base.item_side((rest.detach() + base.items.adaptor(pooled)).float())
        (gradient,) = torch.autograd.grad((queries * side).sum(), hidden)
    by_token = (gradient * hidden.detach())[0].sum(-1).tolist()[1:]
    found: dict[str, float] = {}
    for word, value in zip(words, by_token, strict=False):
        found[word] = found.get(word, 0.0) + value
    return found


def best_items(recommender: XCatRecommender, row: Row, places: Sequence[int]) -> tuple[Ranked, Case]:
    """The best items of a user, and the case of those in some places."""
    ranker = recommender.ranker
    inputs = recommender.processor.inputs_of([row], None, layout="right")
    states, recent = ranker.states(inputs)
    recent = recent.discovering([row["items"]])
    given = (ranker.model.model, ranker.index, states, recent)
    count = max(COMPARED, int(ranker.model.config.num_candidates))
    every = ranker.filter.hide(Filters(), [])
    found = ranked_items(*given, count, every, None, None)
    rows = found.rows[0, [place - 1 for place in places]]
    return found, Case(ranker.model.model, inputs, recent, latest_items(inputs["item_ids"][0]), rows, ranker.items)


def check_reasons(recommender: XCatRecommender, rows: Sequence[Row]) -> str:
    """Ask again without every reason: whether scores fall, and whether places are those of new requests."""
    lists = reasons = fell = places = equal = 0
    for row in rows:
        history = recommender.vocabulary.decode(row["items"])
        for item in recommender.recommend(history, PLACES[-1]):
            lists += 1
            explained = recommender.explain(history, item.item_id, words=False) if item.because else None
            reasons += len(item.because)
            fell += 0 if explained is None else len(explained.because)
            others = () if explained is None else explained.counterfactuals
            for other in (one for one in others if one.score is not None):
                left = [one for one in history if one != other.item_id]
                again = recommender.recommend(left, other.rank + TIES, explain=False)
                own = next((one.score for one in again if one.item_id == item.item_id), None)
                places += 1
                equal += own is not None and sum(one.score > own for one in again) + 1 == other.rank
    # A list of popular items has its own order, so places there are not counted.
    return (
        f"{reasons:,} reasons of {lists:,} recommendations: without it the score of a new request falls for {fell:,} "
        f"({fell / max(1, reasons):.2%}); place without it equal to that of a new request: {equal:,} of {places:,}"
    )


def milliseconds(call: Callable[[list[str]], Any], histories: Sequence[list[str]]) -> float:
    """Median CPU time of a call."""
    times = []
    for history in histories:
        start = time.process_time()
        call(history)
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def costs(recommender: XCatRecommender, rows: Sequence[Row]) -> str:
    """Median cost of requests with and without explanations."""
    histories = [recommender.vocabulary.decode(row["items"]) for row in rows]
    first = {tuple(one): recommender.recommend(one, 1, explain=False)[0].item_id for one in histories}
    plain = milliseconds(lambda one: recommender.recommend(one, explain=False), histories)
    reasons = milliseconds(lambda one: recommender.recommend(one), histories)
    events = milliseconds(lambda one: recommender.explain(one, first[tuple(one)], words=False), histories)
    words = milliseconds(lambda one: recommender.explain(one, first[tuple(one)]), histories[:20])
    return (
        f"CPU time, median: recommend {plain:.1f} ms, with reasons {reasons:.1f} ms ({reasons / plain:.1f} times); "
        f"explain without words {events:.1f} ms ({events / plain:.1f} times), with words {words:.0f} ms"
    )


def table(found: dict[str, np.ndarray]) -> list[str]:
    """The table of the areas, a line per method, from (users, 4) values."""
    lines = ["| method | " + " | ".join(f"{name} | against attention | against random" for name in AREAS) + " |"]
    lines.append("|---" * (1 + 3 * len(AREAS)) + "|")
    for name, values in found.items():
        cells = [name]
        for place in range(len(AREAS)):
            cells.append(f"{values[:, place].mean():.3f}")
            for other in ("attention", "random"):
                change = relative_bootstrap(values[:, place], found[other][:, place])
                cells.append(f"{change.mean:+.0%} [{change.low:+.0%}, {change.high:+.0%}]" if name != other else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def words_line(recommender: XCatRecommender, rows: Sequence[Row], seed: int) -> str:
    """Areas of the words of the first items."""
    generator = torch.Generator().manual_seed(seed)
    words = [one for row in rows if (one := word_areas(recommender, row, generator)) is not None]
    falls = {name: np.array([one[name] for one in words]) for name in words[0]}
    parts = []
    for name, values in falls.items():
        change = relative_bootstrap(values, falls["random"])
        compared = f" ({change.mean:+.0%} [{change.low:+.0%}, {change.high:+.0%}] against random)"
        parts.append(f"{name} {values.mean():.3f}{compared * (name != 'random')}")
    return f"deletion of words of {len(words)} first items: {', '.join(parts)}"


def users_of(recommender: XCatRecommender, options: argparse.Namespace) -> list[tuple[int, Row]]:
    """Numbers and rows of users, drawn with the seed."""
    shop = read_shop(options.data, saved=recommender.processor.event_settings)
    split = evaluation_data(recommender, shop, part=options.part).splits[options.part].with_format(None)
    found: list[tuple[int, Row]] = []
    for place in np.random.default_rng(options.seed).permutation(len(split)):
        row = split[int(place)]
        if len(set(row["items"])) >= LEAST_ITEMS:
            found.append((len(found), row))
        if len(found) == options.skip + options.users:
            break
    return found[options.skip :]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--users", type=int, default=500, help="number of users")
    parser.add_argument("--skip", type=int, default=0, help="users before them that are left out")
    parser.add_argument("--checked", type=int, default=50, help="users whose words and reasons are examined")
    parser.add_argument("--seed", type=int, default=0, help="seed of users and of random orders")
    parser.add_argument("--output", type=Path, help="JSON file for the values of each user")
    parser.add_argument("--merge", type=Path, nargs="+", help="print one table of several such files")
    options = parser.parse_args()
    if options.merge:
        parts = [json.loads(file.read_text(encoding="utf-8")) for file in options.merge]
        found = {name: np.concatenate([np.array(part[name]) for part in parts]) for name in parts[0]}
        print("\n".join([f"{len(found['random']):,} users", *table(found)]))
        return
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    users = users_of(recommender, options)
    rows = [row for _, row in users]
    print(machine_line())
    print(f"{len(rows):,} {options.part} users, {np.mean([len(set(row['items'])) for row in rows]):.1f} items each")
    of_users = []
    for number, row in users:
        generator = torch.Generator().manual_seed(options.seed + number)
        of_users.append(influences_of(recommender, row, generator))
    found = {name: np.array([one[name] for one in of_users]) for name in of_users[0]}
    print("\n".join(table(found)))
    if options.output is not None:
        values = {name: own.tolist() for name, own in found.items()}
        options.output.write_text(json.dumps(values) + "\n", encoding="utf-8")
    if options.checked:
        print(words_line(recommender, rows[: options.checked], options.seed))
        print(check_reasons(recommender, rows[: options.checked]))
        print(costs(recommender, rows[:100]))


if __name__ == "__main__":
    main()
