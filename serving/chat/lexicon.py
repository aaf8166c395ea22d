"""The words of one language that a chat needs: a plain table per language, in `english.py` and `chinese.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)  # hashed by identity, as a key of caches
class PriceWords:
    """Words of price limits, as regular expressions.

    Args:
        number: A number, in digits or words.
        digits: Values of the words for numbers.
        currencies: Currency words and symbols to ISO 4217 codes.
        hundredths: Words for a hundredth of a currency, such as cents, to their value.
        below: Words before a number that is more than the price.
        at_most: Words before the highest price.
        above: Words before a number that is less than the price.
        at_least: Words before the lowest price.
        around: Words before a price that is meant roughly.
        negative: Signs and words before a price below zero.
        refused: Words after a limit that turn it round: "over 20 is too much".
        negated: Words before `above` and `below` that turn them round: "nothing above 20".
        or_less: Words after the highest price.
        or_below: Words after a number that is more than the price.
        or_more: Words after the lowest price.
        or_so: Words after a price that is meant roughly.
        compared, cheaper, dearer: Words around a price that another is compared with; empty for none.
        between: Words before a range; may be missing.
        to: Words between the ends of a range.
        range_end: Words after a range; may be missing.
        bare_after: What follows a price without other words; anything else makes it a number of pieces: 一块巧克力.
        about: Words in the clause of a range without a currency, such as "5-10", that make it one of prices.
        after: What may follow a number without a currency. Anything else makes it no price: "under 5 feet".
    """

    number: str
    digits: Mapping[str, int]
    currencies: Mapping[str, str]
    hundredths: Mapping[str, float]
    below: str
    at_most: str
    above: str
    at_least: str
    around: str
    negative: str
    refused: str
    negated: str
    or_less: str
    or_below: str
    or_more: str
    or_so: str
    compared: str
    cheaper: str
    dearer: str
    between: str
    to: str
    range_end: str
    bare_after: str
    about: str
    after: str


@dataclass(frozen=True, eq=False)  # hashed by identity, as a key of caches
class SentenceWords:
    """Function words that part a sentence.

    Args:
        persons: Pronouns of people; a verb follows.
        possessives: Words before what somebody has.
        articles: Words before a noun.
        indefinite: The articles before something new.
        be: Forms of "to be".
        auxiliaries: Other words between a person and the verb.
        modals: The auxiliaries before a plain verb.
        adverbs: Words between a person and the verb.
        wish_verbs: Verbs before a wish.
        past: Irregular verbs in the past.
        reasons: Words before a reason.
        new_clauses: Words that begin another clause.
        prepositions: Words that end a noun phrase.
        places: Words before a time or place.
        occasions: Days and people that something is for.
        aspects: Names of properties, before their value.
        nouns_of_form: Nouns without a meaning of their own, behind a wish: "the red ones".
        topics: Words before a new subject.
        objects: Pronouns behind a verb.
        questions: Words of questions that name nothing wanted.
        refining: Words before a property of the thing that is wanted: "with pockets".
        makers: Words before the maker of the thing that is wanted: "by Sony".
        things_shown: Pronouns for the items shown: what is said about them names no new subject.
        openings: Words in front of a noun that stands alone: "ok, then coffee".
    """

    persons: frozenset[str]
    possessives: frozenset[str]
    articles: frozenset[str]
    indefinite: frozenset[str]
    be: frozenset[str]
    auxiliaries: frozenset[str]
    modals: frozenset[str]
    adverbs: frozenset[str]
    wish_verbs: frozenset[str]
    past: frozenset[str]
    reasons: frozenset[str]
    new_clauses: frozenset[str]
    prepositions: frozenset[str]
    places: frozenset[str]
    occasions: frozenset[str]
    aspects: frozenset[str]
    nouns_of_form: frozenset[str]
    topics: frozenset[str]
    objects: frozenset[str]
    questions: frozenset[str]
    refining: frozenset[str]
    makers: frozenset[str]
    things_shown: frozenset[str]
    openings: frozenset[str]


@dataclass(frozen=True, eq=False)  # hashed by identity, as a key of caches
class Lexicon:
    """Words of one language, as regular expressions unless stated otherwise; texts are in lower case.

    Args:
        code: Code of the language (ISO 639-1).
        spaced: Whether words are separated by spaces.
        prices: Words of price limits.
        reset: Requests to forget everything.
        another: Requests for other items than the ones shown.
        cheapest, dearest: Requests for the lowest or highest price of all.
        cheaper: Requests for lower prices.
        dearer: Requests for higher prices.
        anything: Requests without a wish, such as "recommend something".
        thanks, greeting: Turns without a wish; the whole turn.
        accept: Consent to a proposal; the whole turn.
        decline: Refusal of a proposal; the whole turn.
        lift_price, lift_brand, lift_category: Words that end a limit or a wish.
        allowed: Words around an item word that end its exclusion; they are removed.
        gifts: Words for a thing that the words around it describe: "a gift for my dog".
        changes: Words that announce another subject.
        people: Patterns with one group: what other people like, which is no lasting wish of the customer.
        idioms: Phrases that wish nothing; they are removed.
        counted: Number and measure word behind a verb of wishing, as in 买一副耳机; they are removed.
        not_negations: Phrases that contain a negation and exclude nothing; they are removed.
        kept: Phrases that contain a negation and are ordinary words, such as a material; they are not negations.
        denied_after: Patterns with one group: the excluded phrase, in front of its negation.
        negations: Words before what is excluded.
        negation_ends: Words that end what is excluded.
        list_words: Words between several excluded things.
        either: Words between alternatives.
        listed: Other words between several wanted things.
        joined: Words that may stand before an alternative.
        made_by: Words between a thing and its makers, in a language that names the thing first.
        adds: Words at the beginning or end of a turn that adds an alternative to what is wanted.
        brand_before, brand_after: Words beside a brand whose name is also an ordinary word.
        shown: Whole phrases that mean the items shown, such as "this one".
        fillers: Words around an excluded thing that are no part of it.
        service: Words of questions about orders and other services.
        sentence: Function words; None for a language whose words are not separated.
        refined_before, refined_after: Words beside a property of the thing that is wanted, in such a language.
        subject_before: Words before a new subject, in such a language.
        adjectives: Endings of words that are no things.
        nouns: Things with such an ending.
        properties: Other words that are no things, such as materials and people; also comparatives of them.
        stop: Words without a meaning for the catalogue.
        short: One-letter words of the catalogue that have a meaning; None for every word.
        alternatives: Groups of words of which an item has one, such as colours: a later one replaces an earlier one.
        families: Excluded words of one concept; see `CONCEPTS` in `families.py`.
        denials: Templates of regular expressions for "without {word}" in the text of an item.
        plurals: Irregular plurals and their singulars.
    """

    code: str
    spaced: bool
    prices: PriceWords
    reset: str
    another: str
    cheapest: str
    dearest: str
    cheaper: str
    dearer: str
    anything: str
    thanks: str
    greeting: str
    accept: str
    decline: str
    lift_price: str
    lift_brand: str
    lift_category: str
    allowed: str
    gifts: str
    changes: str
    people: tuple[str, ...]
    idioms: str
    counted: str
    not_negations: str
    kept: str
    denied_after: tuple[str, ...]
    negations: str
    negation_ends: str
    list_words: str
    either: str
    listed: str
    joined: str
    made_by: str
    adds: str
    brand_before: str
    brand_after: str
    shown: str
    fillers: str
    service: str
    sentence: SentenceWords | None
    refined_before: str
    refined_after: str
    subject_before: str
    adjectives: str
    nouns: frozenset[str]
    properties: frozenset[str]
    stop: frozenset[str]
    short: frozenset[str]
    alternatives: tuple[frozenset[str], ...]
    families: Mapping[str, tuple[str, ...]]
    denials: tuple[str, ...]
    plurals: Mapping[str, str]


def word_set(text: str) -> frozenset[str]:
    """The words of a text with spaces between."""
    return frozenset(text.split())
