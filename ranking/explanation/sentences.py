"""Explanations in sentences, a table of templates per language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explanation import Counterfactual, Explanation, WordInfluence

WORDS = 3
"""Words that a sentence names."""
LEAST_INFLUENCE = 0.05
"""Minimum influence of a word that a sentence names: it raises the odds by 5 %."""


@dataclass(frozen=True)
class Phrases:
    """Templates of one language; fields in braces are filled in.

    Args:
        reasons: The item and its reasons.
        click_reasons: The reasons of a click, behind its probability.
        reason: One reason with its weight.
        that: The only reason.
        first: The first of several reasons.
        without: The place of the item without the first reason.
        without_same: The same if the place does not change.
        without_any: The same if nothing is left of the history.
        without_click: The probability without the first reason.
        without_click_same: The same if the probability does not change.
        no_reason: The item has no reason.
        no_click_reason: A click has no reason.
        itself: In place of the title of the item itself.
        popular: A popular item.
        by_query: The item is listed for a query alone.
        by_texts: The item is listed for texts of the user alone.
        click: Probability of a click, before the reasons.
        query_words: Words of the query that raise the score.
        item_words: Words of the item's texts that raise the score.
        event_words: Words of the first reason's texts that raise the score.
        category: Category and the items of the history in it.
        new_category: A category that the history lacks.
        nearest: The most similar item of the history.
        title: A title in quotation marks.
        comma: Between words.
        last: Before the last word.
        space: Between sentences.
    """

    reasons: str
    click_reasons: str
    reason: str
    that: str
    first: str
    without: str
    without_same: str
    without_any: str
    without_click: str
    without_click_same: str
    no_reason: str
    no_click_reason: str
    itself: str
    popular: str
    by_query: str
    by_texts: str
    click: str
    query_words: str
    item_words: str
    event_words: str
    category: str
    new_category: str
    nearest: str
    title: str
    comma: str
    last: str
    space: str

    def joined(self, words: list[str]) -> str:
        """Words as a list in a sentence."""
        return self.last.join([*([self.comma.join(words[:-1])] if words[1:] else []), *words[-1:]])


ENGLISH = Phrases(
    reasons="{item} is number {before} because of {reasons}.",
    click_reasons="It is so high because of {reasons}.",
    reason="{title} ({weight})",
    that="that item",
    first="the first of these items",
    without="Without {title} it would be number {after}.",
    without_same="Without {title} its score would be lower, and it would still be number {after}.",
    without_any="Without {title} the history is empty, and it would be number {after} of the popular items.",
    without_click="Without {title} the probability would be {after}.",
    without_click_same="Without {title} the probability would be a little lower, but still {after}.",
    no_reason="{item} is number {before}. No single item of the history carries it.",
    no_click_reason="No single item of the history raises it by much.",
    itself="its own earlier events",
    popular="{item} is number {before} of the popular items: no item of the history is known.",
    by_query="{item} is number {before} for the query alone: no item of the history is known.",
    by_texts="{item} is number {before} for the texts of the customer: no item of the history is known.",
    click="The probability of a click on {item} is {probability}.",
    query_words="Words of the query that raise its score: {words}.",
    item_words="Words of its own text that raise its score: {words}.",
    event_words="Words of the text of {title} that raise its score: {words}.",
    category="Its category is {category}, as of {count} of {events} items of the history.",
    new_category="Its category {category} is new to the customer.",
    nearest="The most similar item of the history is {title}.",
    title='"{title}"',
    comma=", ",
    last=" and ",
    space=" ",
)
CHINESE = Phrases(
    reasons="{item}排在第 {before} 位，是因为{reasons}。",
    click_reasons="概率这么高，是因为{reasons}。",
    reason="{title}（{weight}）",
    that="这件商品",
    first="其中第一件",
    without="如果没有{title}，它会排在第 {after} 位。",
    without_same="如果没有{title}，它的分数会降低，但仍排在第 {after} 位。",
    without_any="如果没有{title}，历史记录就是空的，它会排在热门商品的第 {after} 位。",
    without_click="如果没有{title}，概率会是 {after}。",
    without_click_same="如果没有{title}，概率会略低，但仍是 {after}。",
    no_reason="{item}排在第 {before} 位。历史记录中没有哪一件商品单独支撑它。",
    no_click_reason="历史记录中没有哪一件商品明显提高这个概率。",
    itself="它自己以前的记录",
    popular="{item}是热门商品的第 {before} 位：历史记录中没有已知的商品。",
    by_query="{item}仅按查询排在第 {before} 位：历史记录中没有已知的商品。",
    by_texts="{item}仅按顾客的文字排在第 {before} 位：历史记录中没有已知的商品。",
    click="{item}被点击的概率是 {probability}。",
    query_words="查询中提高它分数的词：{words}。",
    item_words="它自己的文字中提高分数的词：{words}。",
    event_words="{title}的文字中提高分数的词：{words}。",
    category="它的品类是{category}，历史记录的 {events} 件商品中有 {count} 件属于这一类。",
    new_category="它的品类{category}对这位顾客是新的。",
    nearest="历史记录中与它最相似的是{title}。",
    title="《{title}》",
    comma="、",
    last="和",
    space="",
)
PHRASES = {"en": ENGLISH, "zh": CHINESE}
"""Phrases by language."""


def sentence_of(found: Explanation) -> str:
    """The sentences of an explanation, in its language."""
    said = PHRASES[found.language]
    item = said.title.format(title=found.title)
    parts = [*_first(found, said, item), *_of_words(found, said), *_of_items(found, said)]
    return said.space.join(parts)


def _first(found: Explanation, said: Phrases, item: str) -> list[str]:
    """The basis of the list, the reasons, and the place without the first of them."""
    before = "" if found.rank is None else f"{found.rank:,}"
    if found.basis != "history":
        of_basis = {"popular": said.popular, "query": said.by_query, "texts": said.by_texts}
        return [of_basis[found.basis].format(item=item, before=before)]
    parts, clicks = [], found.probability is not None
    if found.probability is not None:
        parts.append(said.click.format(item=item, probability=f"{found.probability:.1%}"))
    if not found.because:
        return [*parts, (said.no_click_reason if clicks else said.no_reason).format(item=item, before=before)]
    reasons = [
        said.reason.format(
            title=said.itself if one.item_id == found.item_id else said.title.format(title=one.title),
            weight=f"{one.weight:.0%}",
        )
        for one in found.because
    ]
    template = said.click_reasons if clicks else said.reasons
    parts.append(template.format(item=item, before=before, reasons=said.joined(reasons)))
    first = _first_reason(found, said)
    return parts + [_without(found, other, said).format(title=first) for other in found.counterfactuals[:1]]


def _without(found: Explanation, other: Counterfactual, said: Phrases) -> str:
    """The template of the place, or the probability, without the first reason; its title is left to fill in."""
    if other.probability is not None:
        after, same = f"{other.probability:.1%}", f"{found.probability:.1%}" == f"{other.probability:.1%}"
        template = said.without_click_same if same else said.without_click
    elif other.basis == "popular":
        after, template = f"{other.rank:,}", said.without_any
    else:
        after, template = f"{other.rank:,}", said.without_same if other.rank == found.rank else said.without
    return template.replace("{after}", after)


def _first_reason(found: Explanation, said: Phrases) -> str:
    return said.first if found.because[1:] else said.that


def _of_words(found: Explanation, said: Phrases) -> list[str]:
    """Sentences about the words that raise the score."""
    title = _first_reason(found, said) if found.because else ""
    named = ((said.query_words, found.query_words), (said.item_words, found.item_words),
             (said.event_words, found.event_words))  # fmt: skip
    return [
        template.format(words=said.joined(strongest), title=title)
        for template, words in named
        if (strongest := strongest_words(words))
    ]


def strongest_words(words: tuple[WordInfluence, ...]) -> list[str]:
    """The few words that raise the score most, the first by most."""
    raising = sorted((one for one in words if one.influence >= LEAST_INFLUENCE), key=lambda one: -one.influence)
    return [one.word for one in raising[:WORDS]]


def _of_items(found: Explanation, said: Phrases) -> list[str]:
    """Sentences about category and similarity."""
    parts = []
    if found.category_path and found.events:
        category = said.title.format(title=found.category_path[-1])
        template = said.category if found.known_categories else said.new_category
        parts.append(template.format(category=category, count=found.known_categories, events=len(found.events)))
    if found.nearest is not None and found.nearest.item_id not in {one.item_id for one in found.because}:
        parts.append(said.nearest.format(title=said.title.format(title=found.nearest.title)))
    return parts
