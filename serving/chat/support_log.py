"""Answers to questions about service, from a log of answered questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from ...ranking.recommender import XCatRecommender
from ...tokenization.sources.generic import load_table
from ...tokenization.tables.person_columns import spelled
from ...tokenization.tables.problems import TableError, TableProblem
from ...tokenization.unknown_tokens import UNKNOWN_SHARE, share_unknown_to
from .text_tokens import folded_text, tokens_of

if TYPE_CHECKING:
    from ...tokenization.sources.generic import TableSource

NEAR = 0.38
"""Smallest cosine of two questions for one answer. Measured with the default encoder on a log of 8 questions: the
nearest one had at most .33 for 10 questions that the log does not answer, and .39 or more for 7 of 10 paraphrases, one
of them with a wrong answer; the other 3 get no answer."""
SHARED = 0.5
"""Smallest share of common tokens (Dice) for a question that the text encoder cannot read."""
_QUESTIONS = "question|questions|query|ask|customer question|title|问题|提问|问|咨询|客户问题|用户问题"
_ANSWERS = "answer|answers|reply|response|support answer|agent reply|回答|答案|回复|答|客服回复|答复"


class SupportLog:
    """A log of answered questions.

    Args:
        recommender: The recommender whose text encoder compares questions.
        table: A file (csv, JSON lines, parquet, ...) or table with the columns `question` and `answer`.

    Raises:
        As `load_table`.
        TableError: If a column is missing, or no row has both a question and an answer.
    """

    def __init__(self, recommender: XCatRecommender, table: TableSource) -> None:
        self._recommender = recommender
        read, problems = load_table(table, "support_log")
        if fatal := [problem for problem in problems if problem.fatal]:
            raise TableError(fatal)
        question, answer = (
            _column(read, name, known) for name, known in (("question", _QUESTIONS), ("answer", _ANSWERS))
        )
        pairs = read.select(pl.col(question).cast(pl.String), pl.col(answer).cast(pl.String)).drop_nulls()
        kept = [(q.strip(), a.strip()) for q, a in pairs.iter_rows() if q.strip() and a.strip()]
        if not kept:
            remedy = "fill both columns"
            raise TableError([TableProblem("support_log", question, "empty_table", 0, None, remedy, True)])
        self._questions = [folded_text(q) for q, _ in kept]
        self._answers: list[str] = [a for _, a in kept]

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, text: str) -> str | None:
        """The answer to the nearest question; None if no question is near enough.

        Args:
            text: A question, folded by `folded_text`.
        """
        shares = np.array([_shared(text, question) for question in self._questions])
        if shares.max() == 1.0:
            return self._answers[int(shares.argmax())]
        encoder = self._recommender.model.model.text.encoder
        if encoder is not None and share_unknown_to(self._recommender.processor.tokenizer, [text]) <= UNKNOWN_SHARE:
            near, least = self._states @ self._encoded([text])[0], NEAR
        else:
            near, least = shares, SHARED
        best = int(near.argmax())
        return self._answers[best] if near[best] >= least else None

    @cached_property
    def _states(self) -> np.ndarray:
        return self._encoded(self._questions)

    @torch.no_grad()
    def _encoded(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, width) unit vectors of texts."""
        model, parts = self._recommender.model, []
        for start in range(0, len(texts), 64):
            tokens = self._recommender.processor.tokenize(texts[start : start + 64]).to(model.device)
            states = model.model.encode_text(tokens["input_ids"], tokens["attention_mask"])[:, 0]
            parts.append(torch.nn.functional.normalize(states.float(), dim=-1).cpu().numpy())
        found: np.ndarray = np.concatenate(parts)
        return found


def _shared(first: str, second: str) -> float:
    """Share of common tokens (Dice); Han characters count in pairs."""
    a, b = _grams(first), _grams(second)
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def _grams(text: str) -> set[str]:
    grams = set[str]()
    for run in re.findall(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+", text):
        tokens = tokens_of(run)
        grams |= {"".join(pair) for pair in pairwise(tokens)} or set(tokens)
    return grams


def _column(table: pl.DataFrame, name: str, known: str) -> str:
    names = {spelled(column): column for column in table.columns}
    found = next((names[one] for one in known.split("|") if one in names), None)
    if found is None:
        remedy = f"name the column {name}; the table has {', '.join(table.columns)}"
        raise TableError([TableProblem("support_log", name, "missing_column", table.height, None, remedy, True)])
    return found
