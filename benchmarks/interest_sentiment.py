"""Sentiment of `xcat fit --interests` with few labels: its accuracy, and what profiles of users lose by it.

    python benchmarks/interest_sentiment.py DATA --labels 50 100 300 --seeds 5 --json FILE

DATA is as in `label_suggestions.py --kind texts`. Per seed so many texts keep their rating and a fifth is held out;
the others have no rating. Each way judges the texts without rating: the lexicon, a linear model of the text states of
the labelled texts ("learned"), and self-training with the other texts too ("self-trained"). "fit" is what
`xcat fit --interest-sentiment self-trained` uses: the lexicon if that is better on the labelled texts.

Prints the balanced accuracy on the held-out texts. With events.* it also prints, for each user and category in which
the user likes more than dislikes or the reverse by all ratings, the balanced share of profiles with the right sign.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from label_suggestions import encode, labelled_texts
from machine import machine_line
from self_training import balanced

from xcat_rec.tokenization.interests.opinions import Statements, opinions_by_user, read_statements
from xcat_rec.tokenization.interests.profiles import build_profile
from xcat_rec.tokenization.interests.self_training import SELF_TRAINED, fit_or_lexicon, self_train
from xcat_rec.tokenization.interests.sentiment import LearnedSentiment, Sentiment, lexicon_sentiment
from xcat_rec.tokenization.sources import read_table

WAYS = ("lexicon", "learned", "self-trained", "fit")


def tastes(statements: Statements, categories: list[str], judge: Sentiment | None) -> dict[tuple[str, str], float]:
    """Liking less disliking of each user in each category, by the profile at the end."""
    vectors = np.zeros((statements.table.height, 1), np.float32)
    found = {}
    for user, opinions in opinions_by_user(statements, vectors, categories, judge).items():
        for one in build_profile(opinions).categories:
            found[user, one.category] = one.liking - one.disliking
    return found


def same_side(found: dict[tuple[str, str], float], truth: dict[tuple[str, str], float]) -> float:
    """Mean share of right signs among likes and dislikes."""
    sides = [[found.get(key, 0.0) * value > 0 for key, value in truth.items() if value * side > 0] for side in (1, -1)]
    return float(np.mean([np.mean(side) for side in sides]))


class Reviews:
    """Texts with known sides, their states, and, with events, users and categories.

    Args:
        folder: DATA.
        most: Most texts.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.texts, words = labelled_texts(folder, most)
        self.sides = np.array(words) == "positive"
        self._judged: dict[str, float] = {}
        self.states = dict(zip(self.texts, encode(self.texts), strict=True))
        files = {path.name.split(".")[0]: path for path in folder.iterdir()}
        self.statements = read_statements(read_table(files["events"])) if "events" in files else None
        if self.statements is not None:
            items = read_table(files["items"])
            place = dict(zip(items["item_id"], items["category"].fill_null(""), strict=True))
            self.categories = [place.get(item, "") for item in self.statements.table["item_id"]]
            self.truth = tastes(self.statements, self.categories, None)

    def encode(self, texts: list[str]) -> np.ndarray:
        """States of texts."""
        return np.stack([self.states[text] for text in texts])

    def lexicon(self, texts: Sequence[str]) -> np.ndarray:
        """Sentiment by the lexicon, which is slow, so each text is judged once."""
        missing = [text for text in texts if text not in self._judged]
        self._judged |= dict(zip(missing, lexicon_sentiment(missing), strict=True))
        return np.array([self._judged[text] for text in texts])

    def measure(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Figures of each way for one draw of labels."""
        drawn = np.random.default_rng(seed).permutation(len(self.texts))
        test, known, other = np.split(drawn, [len(drawn) // 5, len(drawn) // 5 + count])
        held, labelled, more = ([self.texts[row] for row in rows] for rows in (test, known, other))
        positive = self.sides[known].tolist()
        found = self_train(labelled, positive, more, encode=self.encode, words=False)
        alone = LearnedSentiment.fit(labelled, positive, self.encode, words=False)
        ratings = pl.Series([4.0 * side + 1 for side in positive] + [None] * len(more), dtype=pl.Float64)
        told = Statements(pl.DataFrame({"rating": ratings, "text": [*labelled, *more]}))
        chosen, _ = fit_or_lexicon(told, SELF_TRAINED, self.encode)
        judges = dict(zip(WAYS, (self.lexicon, alone, found.sentiment, chosen or self.lexicon), strict=True))
        lines = []
        for way, judge in judges.items():
            line = {"labels": count, "seed": seed, "way": way, "accuracy": balanced(judge, held, self.sides[test])}
            if self.statements is not None:
                table = self.statements.table
                hidden = ~pl.col("text").is_in(labelled) & pl.col("text").is_in(self.texts)
                told = table.with_columns(rating=pl.when(hidden).then(None).otherwise("rating"))
                line["profiles"] = same_side(
                    tastes(Statements(told, self.statements.scale), self.categories, judge), self.truth
                )
            if way == WAYS[2]:
                line |= {"kept": found.kept, "pseudo": found.pseudo}
            if way == WAYS[3]:
                line["kept"] = chosen is not None
            lines.append(line)
        return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 300])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=6000, help="Texts that are read, drawn with seed 0.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    reviews = Reviews(options.data, options.texts)
    found: list[dict[str, Any]] = []
    for count in options.labels:
        part = [line for seed in range(options.seeds) for line in reviews.measure(count, seed)]
        found += part
        for way in WAYS:
            own = [line for line in part if line["way"] == way]
            figures = []
            for name in ("accuracy", "profiles"):
                if name in own[0]:
                    values = np.array([line[name] for line in own])
                    figures.append(f"{name} {values.mean():.4f} ± {values.std(ddof=1):.4f}")
            kept = f", used {sum(line['kept'] for line in own)} of {len(own)}" if "kept" in own[0] else ""
            print(f"{count:5} labels, {way:12} {', '.join(figures)}{kept}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
