"""Sentences written after the errors on `chat_templates_fresh.py` were counted and before they were mended.

No rule was adapted to them (`--part final`). Braces are slots, as in `chat_templates.py`.
"""

from __future__ import annotations

ENGLISH_FINAL: dict[str, list[str]] = {
    "open": [
        "good afternoon, I'd like to browse {category}",
        "could I get some advice on {category}? Ideally {attribute}",
        "my nephew is into {attribute} {category}, what would you suggest",
        "searching for {attribute} {category}",
        "{category} for a beginner, please",
        "I lost my {category} on holiday and need new ones, {attribute} again",
        "Which of your {category} are both {attribute} and {attribute2}?",
        "we just had a baby, so {category} it is",
    ],
    "brand": ["I'd like {brand}", "is {brand} available?", "{brand}, please", "only things from {brand}"],
    "attribute": [
        "I want something {attribute}",
        "ok but {attribute}",
        "does any of them have {attribute}?",
        "{attribute} is what my wife asked for",
        "they should be {attribute} and {attribute2}",
        "I'd be happier with {attribute}",
        "could you look for {attribute} ones instead",
        "a {attribute} design would be my preference",
        "let's add {attribute} to that",
    ],
    "maximum": [
        "not more than {x} dollars please",
        "I can go up to {x} dollars",
        "for under ${x}",
        "everything over {x} dollars is too expensive for me",
        "{x} dollars or less",
        "my budget ends at {x} dollars",
        "less than {x} would be good, money is tight",
    ],
    "minimum": [
        "it has to be over {x} dollars",
        "nothing under {x} dollars",
        "at least {x} dollars because it is a wedding gift",
        "{x} dollars and above",
        "minimum price {x} dollars",
    ],
    "range": [
        "between {a} and {b} dollars, no more",
        "around {a} to {b} dollars",
        "${a} up to ${b}",
        "from {a} to {b} if possible",
        "at least {a} dollars but no more than {b}",
    ],
    "without": [
        "please leave out {word}",
        "I don't eat {word}",
        "my daughter is allergic to {word}",
        "{word} gives me a headache",
        "nothing that contains {word}",
        "I said no {word}",
        "but no {word}, thanks",
        "without the {word} if you can",
        "drop everything with {word}",
    ],
    "not_brand": ["please not {brand}", "no {brand} for me", "avoid {brand}", "anything that isn't {brand}"],
    "lift_price": ["any price is fine", "I don't care about money", "forget my budget", "no price limit"],
    "category": [
        "ok, on to {category}",
        "and some {category}",
        "what else... {category}!",
        "can we look at {attribute} {category} now",
        "let me switch to {category}",
    ],
    "reset": ["let us start again", "please start over", "forget it all", "clear all and start from scratch"],
}

CHINESE_FINAL: dict[str, list[str]] = {
    "open": [
        "老板，{category}怎么卖",
        "想看看{attribute}的{category}",
        "给孩子挑个{category}，要{attribute}的",
        "请问有{attribute}而且{attribute2}的{category}吗",
        "我的{category}丢了，再买一个",
        "最近想换{category}",
    ],
    "brand": ["有没有{brand}", "我要{brand}的", "{brand}牌的呢", "还是买{brand}吧"],
    "attribute": [
        "得{attribute}",
        "想要{attribute}一点的",
        "有{attribute}的最好",
        "朋友推荐我买{attribute}的",
        "再要个{attribute}的功能",
    ],
    "maximum": ["{x}元以下就好", "不要超过{x}块钱", "我最多花{x}元", "太贵的不要，{x}块以内", "超过{x}元太贵了"],
    "minimum": ["{x}元以上的", "低于{x}元的不要", "至少要{x}块钱", "最少{x}元起"],
    "range": ["{a}到{b}元左右", "{a}元至{b}元", "{a}块以上{b}块以下", "在{a}到{b}之间就行"],
    "without": [
        "不想要有{word}的",
        "别给我推荐{word}的",
        "{word}不行",
        "家人对{word}过敏",
        "拒绝{word}",
        "不能带{word}",
        "我不爱{word}的",
    ],
    "not_brand": ["别给我{brand}的", "{brand}不考虑", "除了{brand}，别的都行", "我不喜欢{brand}"],
    "lift_price": ["价格随便", "贵点没关系", "不用管价格", "钱无所谓"],
    "category": ["还有{category}吗", "接着看{category}", "{category}也看看", "换个话题，{category}"],
    "reset": ["咱们重新开始吧", "清空", "重来", "从头开始"],
}
