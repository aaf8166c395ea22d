"""Templates of answers, a table per language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """Templates of one language; fields in braces are filled in.

    Args:
        found: A list of items; `wishes` is empty or made of the phrases below, and true of every item.
        having: The wanted words that every item of the list has.
        rest_some, rest_none: A further list, of items with some or none of the wanted words.
        some, none, none_one: Notes about words that only some items of the list have, or none, or not the only one.
        by_meaning, are_by_meaning, is_by_meaning: Follow `rest_none`, `none` and `none_one` for items that are close
            in meaning.
        this_word, these_words: In `rest_none`.
        by_cheapest, by_dearest: Notes about a list by price.
        nothing_fits: No item has the main noun; a list of other items follows.
        word, words: Before one or several quoted words.
        popular: Note for a list by popularity.
        unpriced: Note about items that only their unknown price leaves out.
        unpriced_one: The same for one item.
        nothing: Nothing is left.
        nothing_else: Nothing is left but items that were turned down.
        nothing_new: Nothing is left but items of the customer's history.
        loosen: Proposal to end one limit.
        nearest_cheapest, nearest_dearest: The price of the item nearest to a price limit, before the proposal.
        one_item, items: A number of items, in the proposal.
        show_again: Proposal to show again what was turned down.
        loosen_all: Advice if no single limit frees an item.
        unclear: Nothing was understood.
        other_language: The texts of the catalogue are in the other language, and the model cannot compare the words.
        other_language_read: The same, and the model compares them by meaning.
        across: A list of items that are close to the meaning of words in the other language.
        unknown: No item has some words; see `word`.
        categories: Advice with frequent categories.
        no_categories: Advice for a catalogue without categories.
        reset: Answer to a reset.
        accepted, thanks, greeting: Answers to turns without a wish.
        no_offer: Answer to "yes" if nothing was offered.
        declined: Answer to "no" if something was offered.
        negative: Prices below zero were not read.
        cut: Only the beginning of a long turn was read.
        cheapest, dearest: Note that no allowed item is cheaper or dearer than all of the ones shown.
        not_cheaper: No allowed item is cheaper than the ones shown.
        not_dearer: No allowed item is dearer than the ones shown.
        no_prices: A comparison of prices without known prices.
        no_answer: A question about service without an answer in the log.
        no_log: A question about service without a log.
        part: The part of a category's name that was written, behind the category.
        category, brand, attributes, not_wanted, below, at_most, above, at_least, between: Wishes and
            limits in words.
        comma: Between words of a list.
        semicolon: Between items.
        last: Between the last two categories of advice.
        last_word: Between the last two quoted words.
        last_or: Between the last two alternatives.
        last_not: Between the last two excluded words.
        quoted: A word that the customer wrote.
        priced: An item with its price.
        space: Between sentences.
    """

    found: str
    having: str
    rest_some: str
    rest_none: str
    some: str
    none: str
    none_one: str
    by_meaning: str
    are_by_meaning: str
    is_by_meaning: str
    this_word: str
    these_words: str
    by_cheapest: str
    by_dearest: str
    nothing_fits: str
    word: str
    words: str
    popular: str
    unpriced: str
    unpriced_one: str
    nothing: str
    nothing_else: str
    nothing_new: str
    loosen: str
    nearest_cheapest: str
    nearest_dearest: str
    show_again: str
    one_item: str
    items: str
    loosen_all: str
    unclear: str
    other_language: str
    other_language_read: str
    across: str
    unknown: str
    categories: str
    no_categories: str
    reset: str
    accepted: str
    no_offer: str
    declined: str
    thanks: str
    greeting: str
    negative: str
    cut: str
    cheapest: str
    dearest: str
    not_cheaper: str
    not_dearer: str
    no_prices: str
    no_answer: str
    no_log: str
    part: str
    category: str
    brand: str
    attributes: str
    not_wanted: str
    below: str
    at_most: str
    above: str
    at_least: str
    between: str
    comma: str
    semicolon: str
    last: str
    last_word: str
    last_or: str
    last_not: str
    quoted: str
    priced: str
    space: str


ENGLISH_PHRASES = Phrases(
    found="I found {count}{wishes}: {items}.",
    having="with {words}",
    rest_some="With some of these words: {items}.",
    rest_none="Without {these}{by_meaning}: {items}.",
    some="Only some of them have {words}.",
    none="None of them has {words}{by_meaning}.",
    none_one="It does not have {words}{by_meaning}.",
    by_meaning=", but close in meaning",
    are_by_meaning=", but they are close in meaning",
    is_by_meaning=", but is close in meaning",
    this_word="this word",
    these_words="these words",
    by_cheapest="These have the lowest prices.",
    by_dearest="These have the highest prices.",
    nothing_fits="Nothing fits exactly: I have no item{wishes}.",
    word="the word {words}",
    words="the words {words}",
    popular="I know no purchases of yours, so popular items come first.",
    unpriced="{count} other items are left out, because their price is unknown.",
    unpriced_one="One other item is left out, because its price is unknown.",
    nothing="I have no item{wishes}.",
    nothing_else="I have no other item{wishes}.",
    nothing_new="You already have all of my items{wishes}.",
    loosen='Without the limit "{limit}" I have {items}. Shall I drop it?',
    nearest_cheapest="The cheapest one costs {price}.",
    nearest_dearest="The most expensive one costs {price}.",
    show_again="You have turned down {items}. Shall I show what you turned down again?",
    one_item="1 item",
    items="{count} items",
    loosen_all='Please loosen more than one of the limits, or say "start over".',
    unclear="I did not understand that.",
    other_language="The texts of this shop are in Chinese, and I cannot compare English words with them. "
    "Please name things in Chinese.",
    other_language_read="The texts of this shop are in Chinese, so I compare your words with them by meaning.",
    across="I found {count}{wishes}, close in meaning to {words}: {items}.",
    unknown="I have no item with {words}.",
    categories="Tell me a category, such as {names}, a brand, a word of a title, or a highest price.",
    no_categories="Tell me a word of a title, a brand, or a highest price.",
    reset="We start again.",
    accepted="All right.",
    no_offer="All right. I have no open question, though.",
    declined="All right, the limits stay as they are.",
    thanks="You are welcome.",
    greeting="Hello.",
    negative="A price cannot be below zero, so I ignored {prices}.",
    cut="I read only the first {read} of your {length} characters.",
    cheapest="Nothing that fits is cheaper than {price}.",
    dearest="Nothing that fits is more expensive than {price}.",
    not_cheaper="I have nothing cheaper{wishes}. The limits stay as they were.",
    not_dearer="I have nothing more expensive{wishes}. The limits stay as they were.",
    no_prices="I cannot compare, because I know no prices of these items. Tell me a highest or lowest price.",
    no_answer="I do not know the answer to that. Please ask with the words of one topic, for example delivery, "
    "returns or payment, or ask the customer service.",
    no_log="I cannot answer questions about orders and service; please ask the customer service. I can find items.",
    part=" ({names})",
    category="in {value}",
    brand="by {value}",
    attributes="with {value}",
    not_wanted="without {value}",
    below="under {value}",
    at_most="up to {value}",
    above="over {value}",
    at_least="from {value} upwards",
    between="from {low} to {high}",
    comma=", ",
    semicolon="; ",
    last=" or ",
    last_word=" and ",
    last_or=" or ",
    last_not=" or ",
    quoted='"{value}"',
    priced="{title} ({price})",
    space=" ",
)
CHINESE_PHRASES = Phrases(
    found="为您找到 {count}{wishes}：{items}。",
    having="含{words}",
    rest_some="只含其中一部分词的：{items}。",
    rest_none="不含{these}{by_meaning}的：{items}。",
    some="其中只有一部分含{words}。",
    none="它们都不含{words}{by_meaning}。",
    none_one="它不含{words}{by_meaning}。",
    by_meaning="，但意思相近",
    are_by_meaning="，但意思相近",
    is_by_meaning="，但意思相近",
    this_word="这个词",
    these_words="这些词",
    by_cheapest="这些是价格最低的。",
    by_dearest="这些是价格最高的。",
    nothing_fits="没有完全符合的商品{wishes}。",
    word="{words}",
    words="{words}",
    popular="我没有您的购买记录，所以先列出热门商品。",
    unpriced="另有 {count} 件商品价格未知，没有列出。",
    unpriced_one="另有 1 件商品价格未知，没有列出。",
    nothing="没有符合条件的商品{wishes}。",
    nothing_else="没有其他符合条件的商品{wishes}。",
    nothing_new="符合条件的商品您都已经有了{wishes}。",
    loosen="如果去掉“{limit}”这个条件，有 {items}。要去掉吗？",
    nearest_cheapest="最便宜的是 {price}。",
    nearest_dearest="最贵的是 {price}。",
    show_again="您拒绝过 {items}。要再看一遍拒绝过的商品吗？",
    one_item="1 件商品",
    items="{count} 件商品",
    loosen_all="请放宽一个以上的条件，或者说“重新开始”。",
    unclear="抱歉，我没有听懂。",
    other_language="本店商品的文字是英文，我无法把中文词和它们比较。请用英文说出您要的东西。",
    other_language_read="本店商品的文字是英文，所以我按意思比较您说的词。",
    across="为您找到 {count}{wishes}，与{words}意思相近：{items}。",
    unknown="没有含{words}的商品。",
    categories="请告诉我品类（例如{names}）、品牌、商品名称里的词，或者最高价格。",
    no_categories="请告诉我商品名称里的词、品牌或者最高价格。",
    reset="好的，我们重新开始。",
    accepted="好的。",
    no_offer="好的。不过现在没有需要您确认的问题。",
    declined="好的，条件保持不变。",
    thanks="不客气。",
    greeting="您好。",
    negative="价格不能低于零，所以我没有采用{prices}。",
    cut="我只读了您写的 {length} 个字符中的前 {read} 个。",
    cheapest="符合条件的商品里没有比 {price} 更便宜的。",
    dearest="符合条件的商品里没有比 {price} 更贵的。",
    not_cheaper="没有更便宜的商品了{wishes}，条件保持不变。",
    not_dearer="没有更贵的商品了{wishes}，条件保持不变。",
    no_prices="这些商品的价格未知，无法比较。请告诉我最高或最低价格。",
    no_answer="这个问题我不知道答案。请用一个主题的词来问，例如发货、退货或付款，或者联系人工客服。",
    no_log="我不能回答订单和服务方面的问题，请联系人工客服。我可以帮您找商品。",
    part="（{names}）",
    category="品类：{value}",
    brand="品牌：{value}",
    attributes="包含：{value}",
    not_wanted="不含：{value}",
    below="低于 {value}",
    at_most="不超过 {value}",
    above="高于 {value}",
    at_least="不低于 {value}",
    between="{low} 到 {high}",
    comma="、",
    semicolon="；",
    last="、",
    last_word="、",
    last_or="或",
    last_not="、",
    quoted="“{value}”",
    priced="{title}（{price}）",
    space="",
)
PHRASES = {"en": ENGLISH_PHRASES, "zh": CHINESE_PHRASES}
