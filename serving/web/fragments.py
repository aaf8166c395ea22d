"""Parts of the page as HTML: search, history, lists and dialogue. What comes from a catalogue is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from ..chat.answers import shown_name
from ..space_catalogue import Catalogue
from .desk import FOUND, Visit, Wanted
from .texts import Texts

TILES = 6
"""Colours of tiles; a category always has the same one."""


def escaped(value: Any) -> str:
    """A value as text of HTML; braces too, because Gradio fills in templates.

    Example:
        >>> escaped("<b> {{x}}")
        '&lt;b&gt; &#123;&#123;x}}'
    """
    return html.escape(str(value)).replace("{", "&#123;")


def block(texts: Texts, *parts: str) -> str:
    """Parts of the page in one element, with their language."""
    return f'<div class="xw" lang="{texts.language}">{"".join(parts)}</div>'


def button(act: str, item: str, text: str, label: str, *, kind: str = "", expanded: bool | None = None) -> str:
    """A button; the page is told its action and its item.

    Args:
        act: The action.
        item: Id of the item.
        text: Its text.
        label: Its name for screen readers, with the title of the item.
        kind: A class of the style.
        expanded: Whether what it opens is open; None for a button that opens nothing.
    """
    state = "" if expanded is None else f' aria-expanded="{str(expanded).lower()}"'
    name = f'aria-label="{escaped(label)}" title="{escaped(label)}"'
    return (
        f'<button type="button" class="xw-button {kind}" data-act="{act}" data-item="{escaped(item)}" {name}{state}>'
        f"{escaped(text)}</button>"
    )


class Fragments:
    """Makes the parts.

    Args:
        catalogue: Titles, prices and pictures of the items.
        texts: The words of the page.
        pictures: Whether pictures are loaded from the web addresses in the catalogue.
    """

    def __init__(self, catalogue: Catalogue, texts: Texts, pictures: bool = False) -> None:
        self._catalogue, self._texts, self._pictures = catalogue, texts, pictures

    def found(self, query: str, visit: Visit) -> str:
        """Items of a search, each with a button that adds it to the history."""
        texts, (ids, total) = self._texts, self._catalogue.search(query, FOUND)
        name = "found_none" if not ids else "found_one" if total == 1 else "found_some"
        name = "popular_items" if not query.strip() else "found_all" if 1 < total <= len(ids) else name
        heading = texts(name, shown=f"{len(ids):,}", total=f"{total:,}")
        rows = []
        for item in ids:
            title, is_in = self._catalogue.title(item), item in visit.history
            act = (
                button("remove", item, "✓", texts("remove", title=title), kind="xw-round xw-on")
                if is_in else button("add", item, "+", texts("add_item", title=title), kind="xw-round")
            )  # fmt: skip
            rows.append(f'<li>{act}<span class="xw-text"><b>{escaped(title)}</b>{self._facts(item)}</span></li>')
        return block(texts, f'<p class="xw-note" aria-live="polite">{escaped(heading)}</p>',
                     f'<ul class="xw-rows">{"".join(rows)}</ul>')  # fmt: skip

    def history(self, visit: Visit) -> str:
        """The history, each item with a button that removes it."""
        texts, rows = self._texts, []
        for item in visit.history:
            title = self._catalogue.title(item)
            act = button("remove", item, "×", texts("remove", title=title), kind="xw-round")
            rows.append(f'<li><span class="xw-text">{escaped(title)}</span>{act}</li>')
        note = texts("history_hint" if rows else "history_empty")
        parts = [f'<h3 class="xw-heading">{escaped(texts("history"))}</h3>', f'<p class="xw-note">{escaped(note)}</p>',
                 f'<ol class="xw-chips">{"".join(rows)}</ol>' if rows else ""]  # fmt: skip
        if visit.hidden:
            count = texts("hidden", count=texts.items(len(visit.hidden)))
            show = button("unhide", "", texts("show_hidden"), texts("show_hidden"), kind="xw-link")
            parts.append(f'<p class="xw-note">{escaped(count)} {show}</p>')
        return block(texts, *parts)

    def lists(self, visit: Visit, wanted: Wanted) -> str:
        """Both lists of a visit."""
        texts, parts = self._texts, []
        if visit.again:
            cards = "".join(self._again(one, visit) for one in visit.again)
            parts.append(f'<h3 class="xw-heading">{escaped(texts("again"))}</h3><ul class="xw-strip">{cards}</ul>')
        if visit.new is not None:
            found = visit.new["recommendations"]
            parts.append(f'<h3 class="xw-heading">{escaped(texts("new"))}</h3>')
            parts.append(f'<p class="xw-note" aria-live="polite">{escaped(self._summary(visit, wanted))}</p>')
            parts += [f'<p class="xw-note">{escaped(note)}</p>' for note in visit.new["notes"]]
            cards = "".join(self._card(one, visit, place) for place, one in enumerate(found, 1))
            none = "" if found else f"<p>{escaped(texts('new_none'))}</p>"
            parts.append(f'<ol class="xw-cards" data-list="{visit.new["impression_id"]}">{cards}</ol>{none}')
        return block(texts, *parts)

    def _summary(self, visit: Visit, wanted: Wanted) -> str:
        assert visit.new is not None
        texts, found = self._texts, visit.new["recommendations"]
        basis = texts(f"basis_{visit.new['basis']}", count=texts.items(len(visit.history)))
        if visit.new["basis"] == "history" and wanted.wish.strip():
            basis += f" {texts('with_wish')}"
        categories = {one["category"] for one in found if one["category"]}
        if not categories:
            return basis
        own = {self._catalogue.item(item).get("category") for item in visit.history}
        spread = texts(
            "spread",
            items=texts.items(len(found)),
            categories=texts.categories(len(categories)),
            new=f"{len(categories - own)}",
        )
        return f"{basis} · {spread}"

    def _again(self, one: Mapping[str, Any], visit: Visit) -> str:
        title, texts = one["title"], self._texts
        buy = button("buy", one["item_id"], texts("buy"), texts("buy_item", title=title))
        return (
            f'<li class="xw-card xw-small">{self.tile(one["item_id"])}<div class="xw-body"><b>{escaped(title)}</b>'
            f'{self._facts(one["item_id"])}<div class="xw-acts">{buy}</div></div></li>'
        )  # fmt: skip

    def _card(self, one: Mapping[str, Any], visit: Visit, place: int) -> str:
        item, title, texts = one["item_id"], one["title"], self._texts
        is_open = visit.open == item
        acts = [
            button("buy", item, texts("buy"), texts("buy_item", title=title), kind="xw-main"),
            button("close" if is_open else "why", item, texts("close" if is_open else "why"),
                   texts("why_item", title=title), expanded=is_open),
            button("hide", item, texts("hide"), texts("hide_item", title=title)),
        ]  # fmt: skip
        reasons = self.reasons(one)
        why = f'<p class="xw-because">{escaped(reasons)}</p>' if reasons else ""
        return (
            f'<li class="xw-card">{self.tile(item)}<div class="xw-body"><b>{place}. {escaped(title)}</b>'
            f'{self._facts(item)}{why}<div class="xw-acts">{"".join(acts)}</div></div>'
            f"{self._explanation(visit, place) if is_open else ''}</li>"
        )

    def reasons(self, one: Mapping[str, Any]) -> str:
        """The items of the history that carry a recommendation, as a sentence; empty for none."""
        texts = self._texts
        named = [
            f"{texts('itself') if why['item_id'] == one['item_id'] else why['title']} ({why['weight']:.0%})"
            for why in one["because"]
        ]
        return texts("because", reasons=texts("separator").join(named)) if named else ""

    def _explanation(self, visit: Visit, place: int) -> str:
        wide, narrow = visit.why["pictures"]
        name, label = escaped(visit.why["sentence"]), escaped(self._texts("picture"))
        moved = visit.why["rank"] not in (None, place)
        note = f'<p class="xw-note">{escaped(self._texts("by_score", place=str(place)))}</p>' if moved else ""
        image = f'role="img" aria-label="{label}"'
        return (
            f'<div class="xw-open"><p>{name}</p>{note}<div class="xw-wide" {image}>{wide}</div>'
            f'<div class="xw-narrow" {image}>{narrow}</div></div>'
        )

    def tile(self, item: str) -> str:
        """The picture of an item, or the first letter of its category on a colour of the category."""
        values = self._catalogue.item(item)
        address = self._catalogue.picture(item)
        if address and (self._pictures or address.startswith("data:")):
            return f'<img class="xw-tile" src="{escaped(address)}" alt="" loading="lazy" referrerpolicy="no-referrer">'
        name = shown_name(str(values.get("category") or values.get("title") or item))
        return f'<span class="xw-tile xw-{crc32(name.encode()) % TILES}" aria-hidden="true">{escaped(name[:1])}</span>'

    def _facts(self, item: str) -> str:
        values = self._catalogue.item(item)
        category = shown_name(str(values["category"])) if values.get("category") else ""
        facts = " · ".join(filter(None, (category, self._catalogue.price(item))))
        return f'<span class="xw-facts">{escaped(facts)}</span>' if facts else ""

    def chat(self, visit: Visit) -> str:
        """The dialogue."""
        texts = self._texts
        turns = [_bubble("shop", texts("shop_says"), escaped(texts("chat_start")))]
        for turn in visit.chat:
            answer = turn["answer"]
            turns.append(_bubble("you", texts("you"), escaped(turn["message"])))
            said = escaped(answer["answer"])
            if answer["in_force"]:
                said += f'<p class="xw-note">{escaped(texts("understood"))}: {escaped(answer["in_force"])}</p>'
            turns.append(_bubble("shop", texts("shop_says"), said + self._items_of_turn(answer["recommendations"])))
        return block(texts, f'<div class="xw-chat" role="log" tabindex="0">{"".join(turns)}</div>')

    def _items_of_turn(self, found: Sequence[Mapping[str, Any]]) -> str:
        rows = []
        for one in found:
            buy = button("buy", one["item_id"], self._texts("buy"), self._texts("buy_item", title=one["title"]))
            name = f'<span class="xw-text"><b>{escaped(one["title"])}</b>{self._facts(one["item_id"])}</span>'
            rows.append(f"<li>{self.tile(one['item_id'])}{name}{buy}</li>")
        return f'<ul class="xw-rows">{"".join(rows)}</ul>' if rows else ""

    def column(self, name: str, answer: Mapping[str, Any], others: set[str], unknown: int) -> str:
        """The list of one of two checkpoints.

        Args:
            name: Name of the checkpoint.
            answer: Its answer.
            others: Ids of the other list.
            unknown: Items of the history that it does not know.
        """
        texts, rows = self._texts, []
        ids = {one["item_id"] for one in answer["recommendations"]}
        for place, one in enumerate(answer["recommendations"], 1):
            is_marked = one["item_id"] not in others and not others.isdisjoint(ids)
            mark = f'<em class="xw-mark">{escaped(texts("only_here"))}</em>' if is_marked else ""
            facts = " · ".join(filter(None, (shown_name(one["category"] or ""), self.reasons(one))))
            rows.append(
                f'<li>{self.tile(one["item_id"])}<span class="xw-text"><b>{place}. {escaped(one["title"])}</b>'
                f'<span class="xw-facts">{escaped(facts)}</span>{mark}</span></li>'
            )
        notes = [
            texts("checkpoint", fingerprint=str(answer["checkpoint"])[:12]),
            texts("unknown_items", count=texts.items(unknown)) if unknown else "",
            texts("ignores_wish") if answer.get("ignored") else "",
        ]
        return block(
            texts, f'<h3 class="xw-heading">{escaped(name)}</h3>',
            f'<p class="xw-note">{escaped(" · ".join(filter(None, notes)))}</p>',
            f'<ol class="xw-rows">{"".join(rows)}</ol>' if rows else f"<p>{escaped(texts('new_none'))}</p>",
        )  # fmt: skip


def _bubble(kind: str, who: str, content: str) -> str:
    return f'<div class="xw-turn xw-{kind}"><span class="xw-who">{escaped(who)}</span>{content}</div>'
