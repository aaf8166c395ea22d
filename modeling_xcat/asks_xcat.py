"""Asks of customers: a view of the score, and cross-attention between an ask and each of the best candidates."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .items_xcat import XCatItemEncoder

FIELDS = ("title", "brand", "category", "other")
"""Fields of an item's text; an entry of `XCatAskReader.words` is token id x `FIELD_CODES` + field number from 1."""
FIELD_CODES = 8

_PAIR = (*FIELDS, "rarity")
_CANDIDATE = ("score", "words", "meaning", "count", "share", "behind")
_SATURATION, _LENGTH = 1.2, 0.75
"""k1 and b of BM25 (Robertson and Zaragoza 2009)."""
_QUERIES_AT_ONCE = 32
_BEYOND_CHANCE = 1.0
"""Standard deviations by which a cosine must exceed the largest one that chance gives; see `least_closeness`."""


@dataclass(frozen=True)
class Asks:
    """What some customers ask for.

    Args:
        tokens: (queries, length) token ids.
        rarity: (queries, length) how much each token tells, 0 for padding and special tokens.
        states: (queries, text_dim) unit vectors of the whitened texts; 0 for no text or without a text encoder.
    """

    tokens: torch.Tensor
    rarity: torch.Tensor
    states: torch.Tensor

    def __getitem__(self, part: torch.Tensor | slice) -> Asks:
        """The asks of some of the queries."""
        return Asks(self.tokens[part], self.rarity[part], self.states[part])

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def present(self) -> torch.Tensor:
        """(queries,) True for a query with an ask."""
        return (self.rarity > 0).any(1) | self.states.any(1)


@dataclass(frozen=True)
class AskScores:
    """The view of the score for some asks.

    Args:
        asks: The asks.
        words: (queries, texts) BM25 of every text.
        meaning: (queries, texts) cosine of every text.
        of_texts: (queries, texts) their weighted sum.
        text_index: (item rows,) text number of each item.
    """

    asks: Asks
    words: torch.Tensor
    meaning: torch.Tensor
    of_texts: torch.Tensor
    text_index: torch.Tensor

    def __getitem__(self, part: torch.Tensor | slice) -> AskScores:
        """The scores of some of the queries."""
        return AskScores(self.asks[part], self.words[part], self.meaning[part], self.of_texts[part], self.text_index)

    def block(self, start: int, end: int) -> torch.Tensor:
        """(queries, block) scores of consecutive items."""
        return self.of_texts.index_select(1, self.text_index[start:end])

    def of_items(self, rows: torch.Tensor) -> torch.Tensor:
        """(queries, n) scores of (queries, n) item indices."""
        return self.of_texts.gather(1, self.text_index[rows])


class XCatAskReader(nn.Module):
    """Scores items for what a customer asks.

    The first stage adds a view of the score, for the whole catalogue: g_w w + g_m m, where w is BM25 of the ask's
    tokens over the item's text, and m the cosine of the two texts' whitened states. The weights g are tuned on the
    validation split.

    Then the best candidates read the ask by cross-attention: each candidate is a query, and the tokens of the ask are
    its memory. Keys and values x_j of token j say in which fields of the candidate's text the token stands, and how
    rare it is. With standardised features z of the candidate (its scores, how much of each field is asked for, how
    much of the ask each field has),

        a_h = softmax_j(k_h x_j),    y = (sum_j a_1j x_j, sum_j a_2j x_j),    bonus = w (y, z) + o gelu(W (y, z) + u)

    Without heads (`ask_heads` 0) z has only the candidate's scores. As in the re-ranker, a few hundred weights work
    for every catalogue and language; they are buffers, fitted after training on users whose next item the model has
    not seen. The smallest bonus of a query is subtracted from all.

    Attributes:
        words: (texts, ask_length) int32 tokens of item texts with their fields, 0 for none; see `FIELDS`.
        rarity: (vocabulary,) inverse document frequency of each token; 0 for special tokens.
        view: (2,) weights of words and meaning in the first stage.
    """

    words: torch.Tensor
    rarity: torch.Tensor
    view: torch.Tensor
    key: torch.Tensor
    weight: torch.Tensor
    expand: torch.Tensor
    expand_bias: torch.Tensor
    contract: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        size = int(getattr(config.text_config, "vocab_size", 0) or 0)
        heads, hidden = config.ask_heads, config.ask_hidden
        own = heads * len(_PAIR) + 2 * len(FIELDS) * (heads > 0) + len(_CANDIDATE)
        self.register_buffer("words", torch.zeros(config.num_texts, config.ask_length, dtype=torch.int32))
        shapes: dict[str, tuple[int, ...]] = {
            "rarity": (size,), "view": (2,), "key": (heads, len(_PAIR)), "weight": (own,), "mean": (own,),
            "scale": (own,), "expand": (hidden, own), "expand_bias": (hidden,), "contract": (hidden,),
        }  # fmt: skip
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self._posted: tuple[tuple[int, int], _Postings] | None = None
        self._measured: tuple[tuple[int, int], torch.Tensor] | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether the weights of the view were tuned, so that asks can be read."""
        return bool(self.view.any())

    def read(self, token_ids: torch.Tensor, states: torch.Tensor | None, meant: torch.Tensor | None = None) -> Asks:
        """Read token ids.

        Args:
            token_ids: (queries, length) token ids; special tokens, such as padding, are not read.
            states: (queries, text_dim) whitened text states; None without a text encoder.
            meant: (queries,) False for an ask without a word that the text encoder knows: its state is noise. None if
                all have one.
        """
        rarity = self.rarity[token_ids].float()
        if states is None:
            states = torch.zeros(len(token_ids), self.config.text_dim, device=token_ids.device)
        states = nn.functional.normalize(states.float(), dim=1) * rarity.any(1, keepdim=True)
        return Asks(token_ids, rarity, states if meant is None else torch.where(meant[:, None], states, 0.0))

    def scores(self, asks: Asks, items: XCatItemEncoder) -> AskScores:
        """The view of the score of every text.

        Args:
            asks: The asks.
            items: The item table.
        """
        words, meaning = self._postings().scores(asks), asks.states @ items.text_states[:, 0].float().T
        meaning /= self._lengths(items.text_states).clamp(min=1e-6)
        of_texts = self.view[0] * words + self.view[1] * meaning
        return AskScores(asks, words, meaning, of_texts, items.text_index)

    def features(
        self, asked: AskScores, rows: torch.Tensor, scores: torch.Tensor, items: XCatItemEncoder
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of candidates.

        Args:
            asked: The asks and the view of the score.
            rows: (queries, candidates) item indices.
            scores: (queries, candidates) their scores without the ask; -inf for items that were filtered out.
            items: The item table.

        Returns:
            (queries, candidates, tokens, pair features) of tokens, and (queries, candidates, features) of candidates.
        """
        asks, texts = asked.asks, items.text_index[rows]
        entries = self.words[texts].long()
        tokens, fields = entries // FIELD_CODES, entries % FIELD_CODES
        told = asks.rarity > 0
        same = (tokens[:, :, None, :] == asks.tokens[:, None, :, None]) & told[:, None, :, None]
        matched = same.any(2)
        rarity = self.rarity[tokens].float()
        total = asks.rarity.sum(1)[:, None].clamp(min=1e-6)
        pairs, shares = [], []
        for number in range(1, len(FIELDS) + 1):
            inside = fields == number
            found = (same & inside[:, :, None, :]).any(3).float()
            pairs.append(found)
            own = rarity * inside
            shares.append((own * matched).sum(2) / own.sum(2).clamp(min=1e-6))
            shares.append((found * asks.rarity[:, None, :]).sum(2) / total)
        pairs.append(asks.rarity[:, None, :].expand_as(pairs[0]))
        words, meaning = asked.words.gather(1, texts), asked.meaning.gather(1, texts)
        there = scores > -torch.inf
        plain = torch.where(there, scores, 0.0)
        best = scores.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
        behind = torch.where(there, scores - best, 0.0)
        counts = items.item_counts[rows].float().log1p()
        scored = [plain, words, meaning, counts, words / total, behind]
        return torch.stack(pairs, -1), torch.stack(shares * bool(self.config.ask_heads) + scored, -1)

    def attend(self, pairs: torch.Tensor, own: torch.Tensor, rarity: torch.Tensor) -> torch.Tensor:
        """Cross-attention of candidates to the tokens of the ask.

        Args:
            pairs: (queries, candidates, tokens, pair features).
            own: (queries, candidates, features).
            rarity: (queries, tokens); 0 for tokens that are not read.

        Returns:
            (queries, candidates, all features), not standardised.
        """
        if not self.config.ask_heads:
            return own
        logits = pairs @ self.key.float().mT
        logits = logits.masked_fill((rarity <= 0)[:, None, :, None], -torch.inf)
        attention = torch.nan_to_num(logits.softmax(2))
        attended = torch.einsum("qnjh,qnjf->qnhf", attention, pairs).flatten(2)
        return torch.cat([attended, own], -1)

    def bonus(self, features: torch.Tensor) -> torch.Tensor:
        """(queries, candidates) bonuses of the result of `attend`."""
        scale = torch.where(self.scale > 0, self.scale, 1.0).float()
        standard = (features - self.mean.float()) / scale
        hidden = nn.functional.gelu(standard @ self.expand.float().mT + self.expand_bias.float())
        return standard @ self.weight.float() + hidden @ self.contract.float()

    def bonuses(
        self, asked: AskScores, rows: torch.Tensor, scores: torch.Tensor, items: XCatItemEncoder
    ) -> torch.Tensor:
        """Score candidates again; see `features` for the arguments.

        Returns:
            (queries, candidates) bonuses to add to the scores with the view of the ask; at least 0, and 0 for a query
            without an ask.
        """
        bonuses = []
        for part in torch.arange(len(rows), device=rows.device).split(_QUERIES_AT_ONCE):
            own = asked[part]
            pairs, features = self.features(own, rows[part], scores[part], items)
            bonus = self.bonus(self.attend(pairs, features, own.asks.rarity))
            there = scores[part] > -torch.inf
            least = bonus.masked_fill(~there, torch.inf).amin(1, keepdim=True)
            bonuses.append(torch.where(there & own.asks.present[:, None], bonus - least, 0.0))
        return torch.cat(bonuses)

    def matches(self, asks: Asks, rows: torch.Tensor, items: XCatItemEncoder) -> torch.Tensor:
        """(queries, n, length) whether the text of (queries, n) item indices has each token of the ask."""
        tokens = self.words[items.text_index[rows]].long() // FIELD_CODES
        same = (tokens[:, :, None, :] == asks.tokens[:, None, :, None]).any(3)
        return same & (asks.rarity > 0)[:, None, :]

    def closeness(self, asks: Asks, rows: torch.Tensor, items: XCatItemEncoder) -> torch.Tensor:
        """(queries, n) cosine of each ask and the text of (queries, n) item indices."""
        states = nn.functional.normalize(items.text_states[items.text_index[rows], 0].float(), dim=-1)
        return torch.einsum("qd,qnd->qn", asks.states, states)

    def is_close(self, asks: Asks, rows: torch.Tensor, items: XCatItemEncoder) -> torch.Tensor:
        """(queries, n) whether the meaning of an ask raises the score of an item beyond chance, by `least_closeness`.

        Args:
            asks: The asks.
            rows: (queries, n) item indices.
            items: The item table.
        """
        least = least_closeness(len(items.text_states) - 1, asks.states.shape[1])
        return (self.closeness(asks, rows, items) > least) & (self.view[1] > 0)

    def has_words(self, token_ids: torch.Tensor) -> torch.Tensor:
        """(queries,) whether an item has a token of asks of (queries, length) token ids."""
        starts = self._postings().starts
        return ((self.rarity[token_ids] > 0) & (starts[token_ids + 1] > starts[token_ids])).any(1)

    def comparable(self, asks: Asks, items: XCatItemEncoder) -> Asks:
        """Asks that say something about an item; the others become asks of nothing, which change no score.

        An ask does if an item has a token of it, or is close to its meaning. All do before the weights are tuned.

        Args:
            asks: The asks.
            items: The item table.
        """
        kept = self.has_words(asks.tokens)
        if kept.all() or not self.is_fitted:
            return asks
        every = torch.arange(1, len(items.text_states), device=kept.device)
        least = least_closeness(len(every), asks.states.shape[1])
        for part in (~kept).nonzero()[:, 0].split(_QUERIES_AT_ONCE):
            cosines = asks.states[part] @ nn.functional.normalize(items.text_states[every, 0].float(), dim=1).T
            kept[part] = (cosines > least).any(1) & (self.view[1] > 0)
        return Asks(asks.tokens, asks.rarity * kept[:, None], asks.states * kept[:, None])

    def _postings(self) -> _Postings:
        """Texts by token, made once for the stored words."""
        key = _content(self.words)
        if self._posted is None or self._posted[0] != key:
            self._posted = key, _Postings.of_words(self.words, len(self.rarity))
        return self._posted[1]

    def for_other_states(self) -> XCatAskReader:
        """A view of the reader for a model with other text states, which measures them itself."""
        other = copy.copy(self)
        other._measured = None
        return other

    def _lengths(self, states: torch.Tensor) -> torch.Tensor:
        """(texts,) lengths of text states, computed once for the stored ones."""
        key = _content(states)
        if self._measured is None or self._measured[0] != key:
            self._measured = key, states[:, 0].float().norm(dim=1)
        return self._measured[1]


def least_closeness(texts: int, size: int) -> float:
    """Cosine above which a text stands out from `texts` that have nothing to do with an ask.

    Whitened states of unrelated texts have random directions, whose cosines have a standard deviation of
    1 / sqrt(size). The largest of n such cosines is about sqrt(2 ln n) standard deviations, and one more is required.
    Cosines have Student's distribution in few dimensions, after r -> r sqrt((size - 1) / (1 - r^2)).

    Args:
        texts: Number of texts.
        size: Dimension of their states.

    Example:
        >>> [round(least_closeness(texts, 384), 2) for texts in (75, 4_000, 100_000)]
        [0.2, 0.25, 0.28]
    """
    deviations = math.sqrt(2 * math.log(max(1, texts))) + _BEYOND_CHANCE
    return deviations / math.sqrt(max(1, size - 1) + deviations**2)


def _content(stored: torch.Tensor) -> tuple[int, int]:
    """Changes when a buffer is replaced or written to."""
    return stored.data_ptr(), stored._version


@dataclass(frozen=True)
class _Postings:
    """An inverted index: the texts that have each token.

    Args:
        starts: (vocabulary + 1,) first place of each token.
        texts: (places,) text numbers, ascending for each token.
        values: (places,) saturated number of occurrences, as in BM25.
        size: Number of texts.
    """

    starts: torch.Tensor
    texts: torch.Tensor
    values: torch.Tensor
    size: int

    @classmethod
    def of_words(cls, words: torch.Tensor, vocabulary: int) -> _Postings:
        """Index (texts, length) entries of `XCatAskReader.words`."""
        size = len(words)
        text, place = words.nonzero(as_tuple=True)
        tokens = words[text, place].long() // FIELD_CODES
        keys, counts = torch.unique(tokens * size + text, return_counts=True)
        lengths = words.count_nonzero(1).float()
        mean = lengths.sum() / (lengths > 0).sum().clamp(min=1)
        numbers = keys % size
        often = counts.float()
        ratio = 1 - _LENGTH + _LENGTH * lengths[numbers] / mean.clamp(min=1)
        values = often * (_SATURATION + 1) / (often + _SATURATION * ratio)
        starts = torch.zeros(vocabulary + 1, dtype=torch.long, device=words.device)
        starts[1:] = torch.bincount(keys // size, minlength=vocabulary).cumsum(0)
        return cls(starts, numbers, values, size)

    def scores(self, asks: Asks) -> torch.Tensor:
        """(queries, texts) BM25 of asks."""
        query, place = (asks.rarity > 0).nonzero(as_tuple=True)
        tokens, weights = asks.tokens[query, place], asks.rarity[query, place]
        first, ends = self.starts[tokens], self.starts[tokens + 1]
        if tokens.device.type == "cpu":  # a slice per token is several times as fast as an index of all places
            found = torch.zeros(len(asks), self.size)
            for number, start, end, weight in zip(
                *map(torch.Tensor.tolist, (query, first, ends, weights)), strict=True
            ):
                found[number].index_add_(0, self.texts[start:end], self.values[start:end], alpha=weight)
            return found
        lengths = ends - first
        pair = torch.arange(len(tokens), device=tokens.device).repeat_interleave(lengths)
        ends = lengths.cumsum(0)
        entry = first[pair] + torch.arange(len(pair), device=tokens.device) - (ends - lengths)[pair]
        found = torch.zeros(len(asks) * self.size, device=weights.device)
        found.index_add_(0, query[pair] * self.size + self.texts[entry], weights[pair] * self.values[entry])
        return found.view(len(asks), self.size)
