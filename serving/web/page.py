"""The page: built from Gradio, for `xcat web` and for a Space."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..chat.answers import shown_name
from ..http.errors import ServiceError
from .desk import Desk, Visit, Wanted, wish_of
from .fragments import Fragments, block, escaped
from .operator import operator_view
from .style import ACTIONS, CSS, FONTS
from .texts import LANGUAGES, Language, Texts, language_of

KNOB = ("familiar", "balanced", "adventurous")
REACTIONS = {"buy": "purchase", "hide": "hide"}
"""Buttons, and the reactions to a list that they are."""
Updates = list[Any]


@dataclass(frozen=True)
class Names:
    """Names that the page shows.

    Args:
        title: Title of the page; "" for one with the name of the checkpoint, in the language of the page.
        checkpoint: Name of the checkpoint.
        other: Name of the checkpoint that it is compared with.
    """

    title: str
    checkpoint: str
    other: str = ""


class Page:
    """The page of a desk.

    Args:
        desk: What it shows.
        names: Names that it shows.

    Attributes:
        blocks: The page as Gradio has it.
    """

    def __init__(self, desk: Desk, names: Names) -> None:
        self.desk, self.names = desk, names
        self._parts, self._others = (
            {code: Fragments(catalogue, Texts(code), desk.pictures) for _, code in LANGUAGES}
            for catalogue in (desk.catalogue, desk.other_catalogue)
        )
        self.blocks = gr.Blocks(title=self._title(Texts("en")), analytics_enabled=False, fill_width=False)
        with self.blocks:
            self._build(Texts("en"))
            self._listen()

    def launch(self, **options: Any) -> Any:
        """Answer visitors; see `gradio.Blocks.launch` for the options."""
        self.blocks.queue(default_concurrency_limit=None)
        return self.blocks.launch(
            css=CSS, theme=theme(), footer_links=[], share=False, ssr_mode=False, quiet=True, **options
        )  # fmt: skip

    def _build(self, texts: Texts) -> None:
        desk, part = self.desk, {"js_on_load": ACTIONS, "apply_default_css": False}
        self._visit = gr.State(Visit())
        with gr.Row(equal_height=True):
            self._header = gr.HTML(
                self._heading(texts), scale=5, min_width=240, elem_id="xw-head", apply_default_css=False
            )
            self._language = gr.Radio(
                [*LANGUAGES], value=texts.language, show_label=False, container=False, scale=0, min_width=210,
                elem_id="xw-language", label=texts("language"),
            )  # fmt: skip
        with gr.Tabs():
            with gr.Tab(texts("shop"), id="shop") as self._shop, gr.Row():
                with gr.Column(scale=4, min_width=300):
                    with gr.Column(elem_classes="xw-panel"):
                        self._words = gr.Textbox(
                            label=texts("find"), placeholder=texts("find_hint"), max_lines=1, elem_id="xw-words",
                        )  # fmt: skip
                        self._found = gr.HTML(elem_id="xw-found", **part)
                        self._history = gr.HTML(**part)
                        with gr.Row():
                            self._example = gr.Button(texts("example"), size="sm", min_width=80)
                            self._clear = gr.Button(texts("clear"), size="sm", min_width=80)
                    with gr.Column(elem_classes="xw-panel"):
                        self._knob = gr.Radio(
                            self._knob_choices(texts), value="balanced", label=texts("explore"), elem_id="xw-knob",
                        )  # fmt: skip
                        self._wish = gr.Textbox(
                            label=texts("wish"), max_lines=1, visible=desk.reads_wishes,
                            placeholder=self._wish_hint(texts), elem_id="xw-wish",
                        )  # fmt: skip
                        self._only_new = gr.Checkbox(label=texts("only_new"), visible=bool(desk.categories))
                with gr.Column(scale=8, min_width=320):
                    self._lists = gr.HTML(elem_id="xw-lists", **part)
            with gr.Tab(texts("chat"), id="chat") as self._chat_tab:
                self._chat = gr.HTML(**part)
                with gr.Row():
                    self._message = gr.Textbox(
                        label=texts("message"), placeholder=texts("chat_hint"), max_lines=1, max_length=2_000, scale=8,
                        min_width=240, elem_id="xw-message", show_label=False, container=False,
                    )  # fmt: skip
                    self._send = gr.Button(texts("send"), variant="primary", scale=1, min_width=100)
                with gr.Row():
                    self._prompts = [gr.Button(text, size="sm", min_width=120) for text in self._sayings(texts)]
                    self._restart = gr.Button(texts("restart"), size="sm", min_width=120)
            with gr.Tab(texts("compare"), id="compare", visible=desk.other is not None) as self._compare_tab:
                self._common = gr.HTML(apply_default_css=False)
                with gr.Row():
                    self._left = gr.HTML(min_width=300, elem_id="xw-left", apply_default_css=False)
                    self._right = gr.HTML(min_width=300, elem_id="xw-right", apply_default_css=False)
            with gr.Tab(texts("operator"), id="operator") as self._operator_tab:
                self._refresh = gr.Button(texts("refresh"), size="sm", elem_id="xw-refresh")
                self._figures = gr.HTML(apply_default_css=False)

    def _listen(self) -> None:
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        wanted = [self._visit, self._knob, self._wish, self._only_new, self._language, self._words]
        shop = [self._visit, self._found, self._history, self._lists]
        everything = [*shop, self._language, self._header, self._chat, *self._labelled()]
        self.blocks.load(self._first, wanted, everything, **hidden)
        self._language.input(self._in_language, wanted, everything, **hidden)
        self._words.input(self._searched, wanted, self._found, trigger_mode="always_last", **hidden)
        for control in (self._knob.input, self._wish.submit, self._wish.blur, self._only_new.input):
            control(self._listed, wanted, shop, trigger_mode="always_last", **hidden)
        self._example.click(self._with_example, wanted, shop, **hidden)
        self._clear.click(self._cleared, wanted, shop, **hidden)
        for part in (self._found, self._history, self._lists):
            part.click(self._pressed, wanted, shop, **hidden)
        self._chat.click(self._pressed, wanted, shop, **hidden)
        chat = [self._visit, self._message, self._language]
        told = [self._visit, self._chat, self._message]
        for say in (self._send.click, self._message.submit):
            say(self._said, chat, told, **hidden)
        for prompt in self._prompts:
            prompt.click(self._said, [self._visit, prompt, self._language], told, **hidden)
        self._restart.click(self._restarted, chat, told, **hidden)
        self._compare_tab.select(self._compared, wanted, [self._common, self._left, self._right], **hidden)
        for look in (self._operator_tab.select, self._refresh.click):
            look(self._overview, self._language, self._figures, **hidden)
        gr.api(self.recommend, api_name="recommend")

    async def recommend(
        self, history: list[str], k: int = 10, cross_category: bool = False, wish: str = ""
    ) -> dict[str, Any]:
        """Recommend items to a history of item ids, oldest first; popular items to an empty one."""
        ids = [str(item) for item in history]
        request = {"history": ids, "k": int(k), "cross_category": bool(cross_category), "log": False}
        asked = request | wish_of(self.desk.recommender, wish)
        (found,) = await self._answer("recommend", lambda: self.desk.engine.recommend([asked]))
        unknown = sum(item not in self.desk.catalogue for item in ids)
        return {"recommendations": found["recommendations"], "basis": found["basis"], "unknown_items": unknown}

    async def _answer(self, route: str, call: Callable[[], Any]) -> Any:
        """The result of a computation; an error is shown to the visitor."""
        try:
            return await self.desk.ask(route, call)
        except ServiceError as error:
            raise gr.Error(error.message, print_exception=False) from error

    async def _listed(
        self, visit: Visit, knob: str, wish: str, only_new: bool, language: Language, words: str
    ) -> Updates:
        wanted = Wanted(knob, wish or "", only_new)
        await self._answer("lists", lambda: self.desk.lists(visit, wanted))
        return self._shown(visit, wanted, language, words)

    def _shown(self, visit: Visit, wanted: Wanted, language: Language, words: str) -> Updates:
        parts = self._parts[language]
        return [visit, parts.found(words or "", visit), parts.history(visit), parts.lists(visit, wanted)]

    async def _first(
        self, visit: Visit, knob: str, wish: str, only_new: bool, _: Language, words: str, request: gr.Request
    ) -> Updates:
        """A new visit, in the language of the browser."""
        visit.history, language = self.desk.example, language_of(request.headers.get("accept-language"))
        return await self._in_language(visit, knob, wish, only_new, language, words)

    async def _in_language(
        self, visit: Visit, knob: str, wish: str, only_new: bool, language: Language, words: str
    ) -> Updates:
        """Everything in a language, with the explanation that is open."""
        opened = visit.open
        shown = await self._listed(visit, knob, wish, only_new, language, words)
        if opened:
            wanted = Wanted(knob, wish or "", only_new)
            await self._answer("explain", lambda: self.desk.explain(visit, opened, wanted, language))
            shown = self._shown(visit, wanted, language, words)
        texts = Texts(language)
        return [*shown, language, self._heading(texts), self._parts[language].chat(visit), *self._labels(texts)]

    def _searched(self, visit: Visit, *given: Any) -> str:
        *_, language, words = given
        return self._parts[language].found(words or "", visit)

    async def _with_example(self, visit: Visit, *given: Any) -> Updates:
        visit.history = self.desk.example
        return await self._listed(visit, *given)

    async def _cleared(self, visit: Visit, *given: Any) -> Updates:
        visit.history = []
        return await self._listed(visit, *given)

    async def _pressed(
        self, visit: Visit, knob: str, wish: str, only_new: bool, language: Language, words: str, event: gr.EventData
    ) -> Updates:
        """What a button of a part does."""
        act, item, wanted = event.act, event.item, Wanted(knob, wish or "", only_new)
        if act == "why":
            await self._answer("explain", lambda: self.desk.explain(visit, item, wanted, language))
            return self._shown(visit, wanted, language, words)
        if act == "close":
            visit.open = ""
            return self._shown(visit, wanted, language, words)
        if act in REACTIONS:
            self.desk.react(visit, item, REACTIONS[act])
        if act in ("add", "buy"):
            visit.add(item)
        elif act == "remove":
            visit.history = [one for one in visit.history if one != item]
        elif act == "hide":
            visit.hidden = [*visit.hidden, item]
        elif act == "unhide":
            visit.hidden = []
        if act == "buy":
            gr.Info(Texts(language)("bought", title=self.desk.catalogue.title(item)), duration=4)
        return await self._listed(visit, knob, wish, only_new, language, words)

    async def _said(self, visit: Visit, message: str, language: Language) -> Updates:
        """A turn of the dialogue."""
        if (message or "").strip():
            await self._answer("chat", lambda: self.desk.say(visit, message))
        return [visit, self._parts[language].chat(visit), ""]

    def _restarted(self, visit: Visit, _: str, language: Language) -> Updates:
        visit.chat, visit.state = [], None
        return [visit, self._parts[language].chat(visit), ""]

    async def _compared(self, visit: Visit, *given: Any) -> Updates:
        knob, wish, only_new, language, _ = given
        wanted, parts, texts = Wanted(knob, wish or "", only_new), self._parts[language], Texts(language)
        answers = await self._answer("compare", lambda: self.desk.compared(visit, wanted))
        ids = [{one["item_id"] for one in answer["recommendations"]} for answer in answers]
        same = texts("common", same=f"{len(ids[0] & ids[1])}", count=f"{max(map(len, ids))}")
        unknown = self.desk.unknown(visit)
        return [
            block(texts, f'<p class="xw-note">{escaped(same)}</p>'),
            parts.column(self.names.checkpoint, answers[0], ids[1], unknown[0]),
            self._others[language].column(self.names.other, answers[1], ids[0], unknown[1]),
        ]

    async def _overview(self, language: Language) -> str:
        found = await asyncio.to_thread(self.desk.overview)
        return operator_view(found, self.desk.sources, Texts(language))

    def _heading(self, texts: Texts) -> str:
        items = texts.items(self.desk.catalogue.table.num_rows)
        categories = texts.categories(len(self.desk.categories))
        about = texts(
            "about" if self.desk.categories else "about_plain", items=items, categories=categories,
            name=self.names.checkpoint,
        )  # fmt: skip
        return block(
            texts, f'<h1 class="xw-title">{escaped(self._title(texts))}</h1><p class="xw-note">{escaped(about)}</p>'
        )

    def _title(self, texts: Texts) -> str:
        return self.names.title or texts("title", name=self.names.checkpoint)

    def _knob_choices(self, texts: Texts) -> list[tuple[str, str]]:
        return [(texts(name), name) for name in KNOB]

    def _sayings(self, texts: Texts) -> list[str]:
        """What a visitor can say: a frequent category, and two refinements."""
        names = [shown_name(name) for name in self.desk.frequent_categories[:1]]
        return [*names, texts("say_cheaper"), texts("say_another")]

    def _wish_hint(self, texts: Texts) -> str:
        names = ", ".join(shown_name(name).lower() for name in self.desk.frequent_categories[1:2])
        return texts("wish_hint", example=names) if names else ""

    def _labelled(self) -> Updates:
        """The components with words, in the order of `_labels`."""
        return [
            self._shop, self._chat_tab, self._compare_tab, self._operator_tab, self._words, self._example, self._clear,
            self._knob, self._wish, self._only_new, self._message, self._send, self._restart, self._refresh,
            *self._prompts,
        ]  # fmt: skip

    def _labels(self, texts: Texts) -> Updates:
        """The words of `_labelled` in a language."""
        buttons = [gr.Button(text) for text in self._sayings(texts)]
        return [
            *(gr.Tab(texts(name)) for name in ("shop", "chat", "compare", "operator")),
            gr.Textbox(label=texts("find"), placeholder=texts("find_hint")),
            *(gr.Button(texts(name)) for name in ("example", "clear")),
            gr.Radio(self._knob_choices(texts), label=texts("explore")),
            gr.Textbox(label=texts("wish"), placeholder=self._wish_hint(texts)),
            gr.Checkbox(label=texts("only_new")),
            gr.Textbox(label=texts("message"), placeholder=texts("chat_hint")),
            *(gr.Button(texts(name)) for name in ("send", "restart", "refresh")),
            *buttons,
        ]  # fmt: skip


def theme() -> gr.themes.Base:
    """Fonts of the visitor's machine, and colours whose contrast with their ground is 4.5:1 or more."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("monospace",)).set(
        body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300",
        block_title_text_color="*neutral_700", block_title_text_color_dark="*neutral_200",
        block_label_text_color="*neutral_700", block_label_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500", input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="#0b5cad", button_primary_background_fill_hover="#094a8c",
        button_primary_background_fill_dark="#2f6fc0", button_primary_background_fill_hover_dark="#2a63ab",
        button_primary_text_color="white", button_primary_text_color_dark="white",
    )  # fmt: skip
