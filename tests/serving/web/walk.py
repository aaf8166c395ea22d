"""The story of the page, driven in headless Chromium: what a visitor does, and what has to be true at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
OVERFLOWING = """() => [...document.body.querySelectorAll('*')].filter(one => {
  const box = one.getBoundingClientRect();
  if (!box.width || box.right <= innerWidth + 1 || !one.checkVisibility({checkVisibilityCSS: true})) return false;
  for (let parent = one.parentElement; parent; parent = parent.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(parent).overflowX)) return false;
  return true;
}).map(one => one.outerHTML.slice(0, 100))"""
"""What is wider than the screen, apart from what can be scrolled."""
TABS = {"en": ("Shop", "Chat", "Compare", "Operator"), "zh": ("购物", "对话", "对比", "运营")}


class Walk:
    """A visitor of the page.

    Args:
        page: The tab of the browser.
        url: Address of the page.
        folder: Folder for pictures; None for none.
        name: Start of the names of the pictures.
    """

    def __init__(self, page: Page, url: str, folder: Path | None, name: str) -> None:
        self.page, self.url, self.folder, self.name = page, url, folder, name
        self.asked: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)

    def check(self, step: str) -> None:
        """Take a picture; nothing overflows, every text has enough contrast, and only the own server is asked."""
        self.page.wait_for_timeout(400)
        if self.folder is not None:
            self.page.screenshot(path=self.folder / f"{self.name}-{step}.png", full_page=True)
        assert self.page.evaluate(OVERFLOWING) == [], step
        faint = self.page.evaluate(CONTRAST)
        assert not faint, (step, faint)
        outside = {address for address in self.asked if not address.startswith((self.url, "data:", "blob:"))}
        assert not outside and not self.errors, (step, outside, self.errors)

    def change(self, act: Callable[[], object]) -> None:
        """Do something, and wait until "new for you" is another list."""
        shown = "#xw-lists .xw-cards"
        before = self.page.locator(shown).get_attribute("data-list")
        act()
        self.page.locator(f"{shown}:not([data-list='{before}'])").wait_for(state="attached")

    def tab(self, number: int, language: str) -> None:
        """Open one of the tabs."""
        more = self.page.get_by_role("tab", name=TABS[language][number], exact=True)
        more.click()

    def buttons(self) -> set[str]:
        """Names of the visible buttons of parts."""
        return set(self.page.locator("[data-act]:visible").evaluate_all("all => all.map(one => one.ariaLabel)"))

    def tabbed(self) -> set[str]:
        """Names of what the Tab key reaches, each of which shows that it has the focus."""
        found: set[str] = set()
        self.page.evaluate("document.activeElement?.blur()")
        for _ in range(150):
            self.page.keyboard.press("Tab")
            name, is_shown = self.page.evaluate("""() => {
              const one = document.activeElement, style = getComputedStyle(one), label = one.closest('label');
              const ring = getComputedStyle(label && one.type !== 'text' ? label : one);
              const shown = [style, ring].some(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none');
              return [one === document.body ? '' : one.ariaLabel || one.innerText || one.placeholder || one.value
                || label?.innerText, shown];
            }""")
            if not name:
                break
            assert is_shown, f"the focus on {name!r} cannot be seen"
            found.add(name.strip())
        return found


@contextmanager
def visitor(chromium: str, url: str, width: int, language: str, folder: Path | None = None) -> Iterator[Walk]:
    """A visitor with a screen of some width, whose browser has a language.

    Args:
        chromium: The browser.
        url: Address of the page.
        width: Width of the screen in pixels.
        language: Language of the browser, such as "en-US".
        folder: Folder for pictures; None for none.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900}, locale=language)
        page.set_default_timeout(90_000)
        walk = Walk(page, url, folder, f"{language[:2]}-{width}")
        page.goto(url)
        page.locator("#xw-lists .xw-cards li").first.wait_for()
        yield walk
        browser.close()


def box_of(page: Page, name: str) -> Locator:
    """The text box of a name."""
    return page.locator(f"#xw-{name} :is(textarea, input)")


def settle(page: Page, part: str) -> None:
    """Wait until a part of the page stays as it is for a second: answers to earlier letters may come late."""
    before = ""
    while (now := page.locator(part).inner_html()) != before:
        before = now
        page.wait_for_timeout(1_000)


def story(walk: Walk, word: str, wish: str, messages: list[str]) -> None:
    """A visitor builds a history, turns the knob, asks why, hides, buys, wishes, talks and compares.

    Args:
        walk: The visitor.
        word: A word of a title.
        wish: A wish; "" for a model that reads none.
        messages: Turns of a dialogue.
    """
    page = walk.page
    language = page.locator("#xw-lists .xw").get_attribute("lang") or "en"
    walk.check("1-start")
    box_of(page, "words").press_sequentially(word)
    page.locator("#xw-found li", has_text=word).first.wait_for()
    settle(page, "#xw-found")
    add = page.locator("#xw-found [data-act=add]").first
    item = add.get_attribute("data-item")
    add.focus()
    walk.change(lambda: page.keyboard.press("Enter"))
    page.locator(f".xw-chips [data-item='{item}']").wait_for()
    walk.check("2-history")
    walk.change(lambda: page.locator("#xw-knob label").nth(2).click())
    page.locator("#xw-lists [data-act=why]").nth(1).focus()
    page.keyboard.press("Enter")
    page.locator("#xw-lists svg:visible").wait_for()
    assert page.locator("#xw-lists [aria-expanded=true]").count() == 1
    page.locator("#xw-lists svg:visible").scroll_into_view_if_needed()
    walk.check("3-why")
    assert page.evaluate("document.activeElement.dataset.act") == "close", "the focus stays on the button"
    page.keyboard.press("Enter")
    page.locator("#xw-lists svg").first.wait_for(state="detached")
    hidden = page.locator("#xw-lists .xw-cards [data-act=hide]").first.get_attribute("data-item")
    walk.change(lambda: page.locator("#xw-lists .xw-cards [data-act=hide]").first.click())
    assert page.locator(f"#xw-lists .xw-cards [data-item='{hidden}']").count() == 0
    walk.change(lambda: page.locator("#xw-lists .xw-cards [data-act=buy]").first.click())
    if wish:
        walk.change(lambda: (box_of(page, "wish").press_sequentially(wish), page.keyboard.press("Enter")))
    page.evaluate("scrollTo(0, 0)")
    walk.check("4-wish")
    walk.tab(1, language)
    for message in messages:
        turns = page.locator(".xw-turn").count()
        box_of(page, "message").press_sequentially(message)
        page.keyboard.press("Enter")
        page.wait_for_function("turns => document.querySelectorAll('.xw-turn').length === turns + 2", arg=turns)
    walk.check("5-chat")
    walk.tab(2, language)
    page.locator("#xw-right li").first.wait_for()
    walk.check("6-compare")
    walk.tab(3, language)
    page.locator(".xw-figure").first.wait_for()
    page.locator("th", has_text="lists").first.wait_for()
    walk.check("7-operator")
