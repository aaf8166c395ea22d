"""ChatSession: a dialogue with one customer, over the catalogue of a recommender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...modeling_xcat.arguments_xcat import whole_number
from ...modeling_xcat.filters_xcat import Filters
from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..space_catalogue import price_text
from .allowed_items import limit_to_loosen, limits_of, without
from .answers import Answers, Shown
from .catalogue import ChatCatalogue
from .chinese import CHINESE
from .dialogue import Understood, refined
from .english import ENGLISH
from .lexicon import Lexicon
from .order import ItemOrder, fitting_rows, reads
from .reading import Reading, asks_for_service, read_turn
from .shop_language import by_meaning
from .state import ChatState
from .text_tokens import MAX_CHARACTERS, folded_text, is_chinese
from .turn import ChatTurn

if TYPE_CHECKING:
    from ...tokenization.sources.generic import TableSource

_NAMED_SHARE = 0.1
"""Share of the items of a category with the wanted part of its name in their titles, for the part to be a noun."""


class ChatSession:
    """A dialogue with one customer, in English or Chinese.

    It reads what is wanted (category, brand, other words), what is not, and price limits, and keeps them over the
    turns. Limits and exclusions are filters. Answers are templates that name items of the catalogue only. Each turn
    goes by the items and the content policy that the recommender has then.

    Args:
        recommender: The recommender.
        support_log: A table with the columns `question` and `answer`, to answer questions about service from.
        k: Recommendations per turn.
        history: Item ids of the customer, oldest first.
        filters: Conditions that every listed item has to keep, as in `recommend`.
        state: The `state` of an earlier session, to go on with its dialogue; None for a new dialogue.
        catalogue: What sessions of one catalogue share, in place of `recommender` and `support_log`; None to read it.

    Raises:
        ValueError: If `k` is not positive, `history` is not a list of item ids, or a filter cannot be used.
        TableError: If the support log lacks a column or is empty.
    """

    def __init__(
        self,
        recommender: XCatRecommender,
        *,
        support_log: TableSource | None = None,
        k: int = 5,
        history: Sequence[str] = (),
        filters: str | Sequence[Any] = (),
        state: ChatState | None = None,
        catalogue: ChatCatalogue | None = None,
    ) -> None:
        if isinstance(history, str):
            raise ValueError("history is a list of item ids; got a plain string, so put it into a list")
        self.k, self.history = whole_number("k", k), list(history)
        self._original, self._filters = recommender, filters
        self._use(catalogue := catalogue or ChatCatalogue(recommender, support_log))
        begun = (state or ChatState()).known(catalogue)
        self._state, self._shown = begun.understood, begun.shown
        self._proposal, self._noted = begun.proposal, begun.noted

    def _use(self, catalogue: ChatCatalogue) -> None:
        """Answer from a catalogue from now on."""
        self._catalogue, self.recommender = catalogue, catalogue.recommender
        self._words, self._log, self._ids = catalogue.words, catalogue.support_log, catalogue.ids
        self._language, self._examples = catalogue.language, catalogue.examples
        vocabulary = self.recommender.vocabulary
        rows = vocabulary.encode(self.history)
        hidden = self.recommender.ranker.filter.hide(Filters(conditions=self._filters), [rows.tolist()])
        self._allowed = catalogue.allowed.within(hidden.of_user(0).cpu().numpy()[NUM_SPECIAL_ROWS:])
        self._bought = np.zeros(vocabulary.num_items, dtype=bool)
        self._bought[rows[rows >= NUM_SPECIAL_ROWS] - NUM_SPECIAL_ROWS] = True

    def _follow(self) -> None:
        """Take over items, decisions and policy that have changed since the last turn."""
        self._original.follow()
        if not self._catalogue.is_current(self._original):
            self._use(ChatCatalogue(self._original, self._catalogue.source))

    @property
    def understood(self) -> Understood:
        """The wishes and limits in force."""
        return self._state

    @property
    def state(self) -> ChatState:
        """The dialogue until now, for `ChatSession(state=)`."""
        return ChatState(self._state, self._shown, self._proposal, self._noted)

    def say(self, text: str) -> ChatTurn:
        """Read one turn of the customer and answer it.

        Args:
            text: What the customer wrote; the first 2,000 characters are read.

        Raises:
            ValueError: If it is not a text.
        """
        if not isinstance(text, str):
            raise ValueError(f"text is a value of type {type(text).__name__}; give a text")
        self._follow()
        folded = folded_text(text)
        chinese = is_chinese(folded)
        lexicon = {True: CHINESE, False: ENGLISH, None: CHINESE if self._state.language == "zh" else ENGLISH}[chinese]
        reading = read_turn(folded, lexicon, self._words)
        is_other = self._language.is_other(reading, lexicon)
        is_read = is_other and self._language.is_read(folded)
        if is_read and reads(self.recommender, folded):
            reading = by_meaning(reading, lexicon)
        turn = self._reply(folded, reading, lexicon)
        answers, policy = Answers(turn.understood, self._examples), self.recommender.content_policy
        echoes = turn.understood.request != "service"  # words of the customer
        if policy is not None and echoes and policy.check(turn.answer).outcome == "blocked":
            turn = replace(turn, answer=answers.sentences(answers.phrases.unclear, answers.advice()))
        cut = answers.phrases.cut.format(read=f"{MAX_CHARACTERS:,}", length=f"{len(text):,}")
        notes = (
            cut if len(text) > MAX_CHARACTERS else "",
            self._note(lexicon, is_read) if is_other and turn.understood.request != "service" else "",
            answers.negative(reading.negative) if reading.negative else "",
        )
        return replace(turn, answer=answers.sentences(*notes, turn.answer))

    def _note(self, lexicon: Lexicon, is_read: bool) -> str:
        """The note about the language of the shop; once per language, then empty."""
        if lexicon.code in self._noted:
            return ""
        self._noted = (*self._noted, lexicon.code)
        return self._language.note(lexicon, is_read)

    def _reply(self, folded: str, reading: Reading, lexicon: Lexicon) -> ChatTurn:
        """The turn that answers what was read."""
        state = replace(self._state, language=lexicon.code, request="find")
        proposal, self._proposal = self._proposal, None
        if (answer := self._service(folded, reading, state)) is not None:
            return self._turn(replace(state, request="service"), Recommendations(), answer)
        if "accept" in reading.requests and proposal is not None:
            return self._recommend(replace(proposal, language=state.language, request="find"))
        state = refined(state, reading, lexicon, self._words)
        if reading.reject or "another" in reading.requests:
            rejected = tuple(dict.fromkeys((*state.not_items, *self._shown)))
            return self._recommend(replace(state, not_items=rejected, request="another"))
        for request in ("cheapest", "dearest"):
            if request in reading.requests:
                return self._recommend(replace(state, request=request))
        for request in ("cheaper", "dearer"):
            if request in reading.requests:
                is_first = self._state.request == {"cheaper": "cheapest", "dearer": "dearest"}[request]
                return self._compare(state, request, only_extreme=is_first and not reading.wishes)
        answers = Answers(state, self._examples)
        if (
            reading.wishes
            or reading.hints
            or reading.requests & {"anything", "lift_price", "lift_brand", "lift_category"}
        ):
            return self._recommend(replace(state, request="find"), answers.unknown(reading.unknown))
        phrases = answers.phrases
        if "decline" in reading.requests and proposal is not None:
            return self._turn(replace(state, request="small talk"), Recommendations(), phrases.declined)
        for name, first in (
            ("thanks", phrases.thanks), ("greeting", phrases.greeting), ("accept", phrases.no_offer),
            ("decline", phrases.accepted),
        ):  # fmt: skip
            if name in reading.requests:
                answer = answers.sentences(first, "" if name == "thanks" else answers.advice())
                return self._turn(replace(state, request="small talk"), Recommendations(), answer)
        if "reset" in reading.requests:
            answer = answers.sentences(answers.phrases.reset, answers.advice())
            return self._turn(replace(state, request="reset"), Recommendations(), answer)
        if reading.negative:
            return (
                self._recommend(state) if answers.wishes() else self._turn(state, Recommendations(), answers.advice())
            )
        first = answers.unknown(reading.unknown) or answers.phrases.unclear
        answer = answers.sentences(first, answers.advice())
        return self._turn(replace(state, request="unclear"), Recommendations(), answer)

    def _service(self, text: str, reading: Reading, state: Understood) -> str | None:
        """The answer to a question about service; None if the turn is not one."""
        wanted = reading.categories or reading.brands or reading.price or reading.not_words
        named = asks_for_service(text, CHINESE if state.language == "zh" else ENGLISH)
        if wanted or (reading.requests and not named):
            return None
        phrases = Answers(state, self._examples).phrases
        if self._log is None:
            return phrases.no_log if named and not reading.attributes else None
        if not named and reading.attributes:
            return None
        found = self._log.answer(text)
        return phrases.no_answer if found is None and named else found

    def _compare(self, state: Understood, request: str, *, only_extreme: bool) -> ChatTurn:
        """Items that are cheaper or dearer than the ones shown, or than half of the allowed ones if none was shown.

        Items without the main noun are not compared if others have it. The tighter of a limit in force and the
        comparison is kept. If the limits leave no item, the proposal to loosen one is repeated.

        Args:
            state: What is wanted.
            request: "cheaper" or "dearer".
            only_extreme: Whether the most extreme item was shown on request, so that others are no answer.
        """
        said, limits = state.said_price, state.price
        if request == "cheaper":
            limits = replace(limits, minimum=said.minimum, above_minimum=said.above_minimum)
        else:
            limits = replace(limits, maximum=said.maximum, below_maximum=said.below_maximum)
        answers = Answers(state, self._examples)
        state_before = replace(state, price=limits, request=request)
        if not self._candidates(state_before).any():
            return self._recommend(state_before)
        shown = self._compared_prices(state, request)
        if not shown:
            answer = answers.sentences(answers.phrases.no_prices, answers.advice())
            return self._turn(replace(state, request=request), Recommendations(), answer)
        for price in shown[:1] if only_extreme else shown:
            compared = replace(
                state, price=self._allowed.compared(limits, request, price, self._shown), request=request
            )
            if self._fitting(compared).any():
                extreme = answers.phrases.cheapest if request == "cheaper" else answers.phrases.dearest
                note = "" if price == shown[0] else extreme.format(price=f"{shown[0]:,.2f}")
                return self._recommend(compared, note)
        template = answers.phrases.not_cheaper if request == "cheaper" else answers.phrases.not_dearer
        nearest = replace(state, price=self._allowed.compared(limits, request, shown[0], self._shown), request=request)
        offer = self._offer(nearest, ("brand", "category", "not_items")) if state.brands or state.categories else ""
        answer = answers.sentences(template.format(wishes=answers.wishes()), offer)
        return self._turn(replace(state, request=request), Recommendations(), answer)

    def _compared_prices(self, state: Understood, request: str) -> list[float]:
        """The prices that others are compared with, the most extreme first."""
        prices, fits = self._allowed.prices, self._fitting(state)
        rows = self.recommender.vocabulary.encode(list(self._shown)) - NUM_SPECIAL_ROWS
        fitting = [row for row in rows if fits[row]] or rows
        shown = sorted(
            {float(prices[row]) for row in fitting if not np.isnan(prices[row])}, reverse=request == "dearer"
        )
        known = prices[fits & ~np.isnan(prices)]
        return [float(np.median(known))] if not self._shown and len(known) else shown

    def _fitting(self, state: Understood) -> np.ndarray:
        """(items,) True for the candidates with the main noun; all candidates if the catalogue has none with it."""
        found = self._candidates(state)
        fits = self._named(state) if state.names else fitting_rows(self._words, state)
        return found & fits if (self._candidates(replace(state, price=state.said_price)) & fits).any() else found

    def _named(self, state: Understood) -> np.ndarray:
        """(items,) True for the items with the wanted part of a category name in their title.

        True for all if few have it: "coffee" is in many titles of Coffee & Tea, "snacks" in few of Snacks and Candy.
        """
        fits, category = fitting_rows(self._words, state), self._words.of("category", *state.categories)
        return fits if (fits & category).sum() >= _NAMED_SHARE * category.sum() else np.ones(len(fits), dtype=bool)

    def _offer(self, state: Understood, kinds: Sequence[str]) -> str:
        """Offer to drop one limit of some kinds, so that items are left; empty if that frees none."""
        freed = [(limit, int(self._fitting(without(state, limit)).sum())) for limit in limits_of(state)]
        loosen = limit_to_loosen([pair for pair in freed if pair[0].kind in kinds])
        if loosen is None:
            return ""
        self._proposal = without(state, loosen[0])
        return Answers(state, self._examples).offer(*loosen)

    def _candidates(self, state: Understood) -> np.ndarray:
        """(items,) True for the items that keep the limits and, for a model without queries, are a wanted thing.

        None is left if the limits leave out every item with the wanted thing or, without a thing, with a wanted word,
        and no category is wanted: items of any other kind are no answer. Items that were turned down do not count as
        left out.
        """
        allowed = self._allowed(state) & ~self._bought
        if state.attributes and not state.categories:
            has = fitting_rows(self._words, state) if state.things else self._matches(state) > 0
            kept = self._allowed(replace(state, not_items=()))
            if (has & ~self._bought).any() and not (has & kept & ~self._bought).any():
                return np.zeros(len(allowed), dtype=bool)
            if not reads(self.recommender, state.wanted_text) and (has & allowed).any():
                return allowed & has
        if state.things and not reads(self.recommender, state.wanted_text):
            allowed &= np.logical_or.reduce([self._words.rows(word) for word in state.things])
        return allowed

    def _recommend(self, state: Understood, note: str = "") -> ChatTurn:
        """Recommend allowed items, or ask which limit to loosen.

        Args:
            state: What is wanted.
            note: A sentence before the list.
        """
        allowed = self._candidates(state)
        answers = Answers(state if self._turned_down(state) else replace(state, not_items=()), self._examples)
        unpriced = answers.unpriced(self._allowed.unpriced(state))
        if not allowed.any():
            freed = {limit: self._with_most_words(without(state, limit)) for limit in limits_of(state)}
            loosen = limit_to_loosen([(limit, int(rows.sum())) for limit, rows in freed.items()])
            self._proposal = without(state, loosen[0]) if loosen else None
            prices = self._allowed.prices[freed[loosen[0]]].tolist() if loosen and loosen[0].kind == "price" else []
            nothing = answers.nothing(loosen, prices, has_all=self._has_all(state))
            return self._turn(state, Recommendations(), answers.sentences(nothing, unpriced))
        by_price = state.request in ("cheapest", "dearest")
        if by_price:
            allowed = self._extreme(self._fitting(state), state)
        found = ItemOrder(self.recommender, self._words, self.history).first(allowed, state, self.k)
        if by_price:
            price_of = dict(zip(self._ids, self._allowed.prices.tolist(), strict=True))
            found.sort(key=lambda item: price_of[item.item_id], reverse=state.request == "dearest")
        rows = self.recommender.vocabulary.encode([item.item_id for item in found])
        if not found:  # none of them is close in meaning
            nothing = answers.found([])
            return self._turn(state, found, answers.sentences(note, nothing, unpriced, answers.advice()))
        items = [
            Shown(item.title or item.item_id, price_text(self.recommender.vocabulary.item(int(row))), item.words,
                  item.by_meaning)
            for item, row in zip(found, rows, strict=True)
        ]  # fmt: skip
        by_popularity = found.basis == "popular" and not (self.history or state.attributes or answers.wishes())
        popular = answers.phrases.popular if by_popularity else ""
        if state.request == "another" and state.names and not self._named(state)[rows - NUM_SPECIAL_ROWS].any():
            note = answers.phrases.nothing_else.format(wishes=answers.wishes(answers.having([state.names])))
        listed = answers.found(items, self._language.code not in (None, state.language))
        order = {"cheapest": answers.phrases.by_cheapest, "dearest": answers.phrases.by_dearest}.get(state.request, "")
        answer = answers.sentences(note, listed, order, unpriced, popular)
        return self._turn(state, found, answer)

    def _has_all(self, state: Understood) -> bool:
        """Whether items would fit, and the customer has all of them."""
        fits = self._allowed(state)
        if state.attributes and not state.categories:
            fits &= fitting_rows(self._words, state) if state.things else self._matches(state) > 0
        return bool(fits.any()) and not (fits & ~self._bought).any()

    def _turned_down(self, state: Understood) -> bool:
        """Whether the customer has turned down an item that would fit."""
        if not state.not_items:
            return False
        others = self._fitting(replace(state, not_items=()))
        return bool((others & ~self._allowed(state)).any())

    def _with_most_words(self, state: Understood) -> np.ndarray:
        """(items,) True for the candidates with most of the wanted words, of those with the main noun if any."""
        allowed = self._fitting(state)
        matches = self._matches(state)
        most: np.ndarray = allowed & (matches == matches[allowed].max(initial=0))
        return most

    def _matches(self, state: Understood) -> np.ndarray:
        """(items,) number of wanted words of each item; alternatives count once."""
        rows = [self._words.having([want]) for want in state.wants]
        counts: np.ndarray = np.sum([np.zeros(len(self._bought), dtype=int), *rows], axis=0, dtype=int)
        return counts

    def _extreme(self, allowed: np.ndarray, state: Understood) -> np.ndarray:
        """(items,) True for the k cheapest or dearest allowed items, of those with most of the wanted words."""
        prices = self._allowed.prices
        known = allowed & ~np.isnan(prices)
        if not known.any():
            return allowed
        matches = self._matches(state)
        known &= matches == matches[known].max()
        rows = known.nonzero()[0]
        order = np.argsort(prices[rows] if state.request == "cheapest" else -prices[rows], kind="stable")
        first: np.ndarray = np.zeros(len(known), dtype=bool)
        first[rows[order[: self.k]]] = True
        return first

    def _turn(self, state: Understood, found: Recommendations, answer: str) -> ChatTurn:
        self._state = state
        if found:
            self._shown = tuple(item.item_id for item in found)
        elif state.request == "reset":
            self._shown = ()
        rows = self.recommender.vocabulary.encode([item.item_id for item in found]) - NUM_SPECIAL_ROWS
        prices = (self._allowed.prices[row] for row in rows)
        return ChatTurn(state, found, answer, tuple(None if np.isnan(price) else float(price) for price in prices))
