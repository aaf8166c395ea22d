"""Words of the page, in English and Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[tuple[str, Language], ...] = (("English", "en"), ("中文", "zh"))

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Recommendations of {name}", "{name} 的推荐"),
    "about": ("{items} in {categories}, recommended by {name}", "{categories}的 {items}，由 {name} 推荐"),
    "about_plain": ("{items}, recommended by {name}", "{items}，由 {name} 推荐"),
    "shop": ("Shop", "购物"),
    "chat": ("Chat", "对话"),
    "compare": ("Compare", "对比"),
    "operator": ("Operator", "运营"),
    "language": ("Language", "语言"),
    "find": ("Find items", "查找商品"),
    "find_hint": ("Words of the title, or an id", "标题中的词，或商品编号"),
    "popular_items": ("Popular items", "热门商品"),
    "found_some": ("{shown} of {total} items found", "找到 {total} 件商品，显示 {shown} 件"),
    "found_all": ("{total} items found", "找到 {total} 件商品"),
    "found_one": ("1 item found", "找到 1 件商品"),
    "found_none": ("No item has all of these words", "没有同时含这些词的商品"),
    "history": ("History", "历史记录"),
    "history_hint": ("The latest item is the last one.", "最后一件是最近的。"),
    "history_empty": ("Empty: a new customer. Add items from the list above.", "空：新顾客。请从上面的列表添加商品。"),
    "example": ("Example", "示例"),
    "clear": ("Clear", "清空"),
    "add": ("Add", "添加"),
    "remove": ("Remove {title}", "移除 {title}"),
    "add_item": ("Add {title} to the history", "把 {title} 加入历史记录"),
    "explore": ("How adventurous", "新奇程度"),
    "familiar": ("Familiar", "熟悉"),
    "balanced": ("Balanced", "均衡"),
    "adventurous": ("Adventurous", "新奇"),
    "wish": ("Wish, in your own words", "用自己的话说说想要什么"),
    "wish_hint": ("For example: {example}", "例如：{example}"),
    "only_new": ("Only categories that the history lacks", "只要历史记录中没有的品类"),
    "again": ("Buy again", "再次购买"),
    "again_none": ("Items of the history appear here.", "历史记录中的商品会出现在这里。"),
    "new": ("New for you", "为您推荐"),
    "new_none": ("No item is left to recommend.", "没有可以推荐的商品了。"),
    "basis_history": ("By the history of {count}", "依据{count}的历史记录"),
    "basis_query": ("By the wish", "依据愿望"),
    "basis_popular": ("Popular items, because no known item is chosen", "没有选择已知商品，所以显示热门商品"),
    "basis_texts": ("By the texts", "依据文字"),
    "basis_none": ("Nothing to recommend by", "没有推荐依据"),
    "with_wish": ("and the wish", "和愿望"),
    "one_item": ("1 item", "1 件商品"),
    "some_items": ("{count} items", "{count} 件商品"),
    "one_category": ("1 category", "1 个品类"),
    "some_categories": ("{count} categories", "{count} 个品类"),
    "spread": ("{items} from {categories}, {new} of them new to you",
               "{items}，来自 {categories}，其中 {new} 个品类对您是新的"),
    "because": ("Because of {reasons}", "因为{reasons}"),
    "itself": ("itself", "它自己"),
    "separator": (" and ", "和"),
    "buy": ("Buy", "购买"),
    "bought": ("{title} is in the history now", "{title} 已加入历史记录"),
    "why": ("Why?", "为什么？"),
    "close": ("Close", "收起"),
    "hide": ("Hide", "隐藏"),
    "buy_item": ("Buy {title}", "购买 {title}"),
    "why_item": ("Why {title}?", "为什么推荐 {title}？"),
    "hide_item": ("Hide {title}", "隐藏 {title}"),
    "hidden": ("{count} hidden", "已隐藏 {count}"),
    "show_hidden": ("Show them again", "重新显示"),
    "by_score": ("This place counts scores only. The knob moved the item to number {place}.",
                 "这个名次只按分数计算；新奇程度把它移到了第 {place} 位。"),
    "picture": ("Influence of each item of the history and of each word", "历史记录中每件商品和每个词的影响"),
    "chat_hint": ("What are you looking for?", "您想找什么？"),
    "message": ("Message", "消息"),
    "send": ("Send", "发送"),
    "restart": ("New conversation", "新对话"),
    "chat_start": ("Ask in English or Chinese. I name items of this shop only.",
                   "请用中文或英文提问。我只会提到本店的商品。"),
    "you": ("You", "您"),
    "shop_says": ("Shop", "商店"),
    "understood": ("Understood", "已理解"),
    "say_cheaper": ("something cheaper", "便宜一点的"),
    "say_another": ("something else", "换一批"),
    "common": ("In both lists: {same} of {count}", "两个列表有 {same} 件相同的商品（共 {count} 件）"),
    "only_here": ("only here", "仅在此列表"),
    "unknown_items": ("{count} of the history are not in this catalogue", "历史记录中有 {count}不在此目录中"),
    "ignores_wish": ("It reads no wishes", "它不读取愿望"),
    "refresh": ("Refresh", "刷新"),
    "lists": ("Lists shown", "展示的列表"),
    "reactions": ("Reactions", "反馈"),
    "per_list": ("{share} per list", "每个列表 {share}"),
    "coverage": ("Items shown", "展示过的商品"),
    "of_catalogue": ("{share} of the catalogue", "占目录的 {share}"),
    "median": ("Median time", "响应时间中位数"),
    "slowest": ("99 % within {time}", "99% 在 {time} 以内"),
    "traffic": ("Lists over time", "列表数随时间的变化"),
    "per_minute": ("Lists per minute, the latest on the right", "每分钟的列表数，最近的在右边"),
    "per_hour": ("Lists per hour, the latest on the right", "每小时的列表数，最近的在右边"),
    "per_day": ("Lists per day, the latest on the right", "每天的列表数，最近的在右边"),
    "routes": ("Requests", "请求"),
    "route": ("Route", "路径"),
    "requests": ("Requests", "请求数"),
    "refused": ("Refused", "拒绝"),
    "failed": ("Failed", "失败"),
    "median_ms": ("Median, ms", "中位数，毫秒"),
    "slowest_ms": ("99 %, ms", "99%，毫秒"),
    "most_shown": ("Most shown items", "展示最多的商品"),
    "never_shown": ("Popular items that were never shown", "从未展示过的热门商品"),
    "never_count": ("{items} in no list", "{items}没有出现在任何列表中"),
    "item": ("Item", "商品"),
    "times": ("Lists", "列表数"),
    "purchases": ("In training", "训练中的次数"),
    "kind": ("Reaction", "反馈类型"),
    "number": ("Number", "数量"),
    "rate": ("Per 100 lists", "每 100 个列表"),
    "nothing_yet": ("Nothing yet.", "暂无数据。"),
    "source_page": ("From the visits of this page since its start.", "数据来自本页面启动以来的访问。"),
    "source_service": ("Requests from {service}.", "请求数据来自 {service}。"),
    "source_log": ("Lists and reactions from {log}.", "列表和反馈数据来自 {log}。"),
    "failed_service": ("The service does not answer: {error}", "服务没有响应：{error}"),
    "checkpoint": ("Checkpoint {fingerprint}", "检查点 {fingerprint}"),
}  # fmt: skip


class Texts:
    """The words in one language.

    Args:
        language: The language.

    Example:
        >>> Texts("en")("found_all", total="7"), Texts("zh")("clear")
        ('7 items found', '清空')
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = [code for _, code in LANGUAGES].index(language)

    def __call__(self, name: str, /, **values: str) -> str:
        """A text, with its values filled in."""
        return TEXTS[name][self._place].format(**values)

    def items(self, count: int) -> str:
        """A number of items in words."""
        return self("one_item") if count == 1 else self("some_items", count=f"{count:,}")

    def categories(self, count: int) -> str:
        """A number of categories in words."""
        return self("one_category") if count == 1 else self("some_categories", count=f"{count:,}")


def language_of(accepted: str | None) -> Language:
    """The language of a browser: Chinese if it comes before English, else English.

    Args:
        accepted: The header Accept-Language.

    Example:
        >>> language_of("zh-CN,zh;q=0.9,en;q=0.8"), language_of("fr,en;q=0.8"), language_of(None)
        ('zh', 'en', 'en')
    """
    for part in (accepted or "").lower().split(","):
        if part.strip().startswith(("zh", "en")):
            return "zh" if part.strip().startswith("zh") else "en"
    return "en"
