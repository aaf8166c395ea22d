"""Looks at every page of the built site in headless Chromium, on a phone and on a desk, light and dark.

Run `make docs`, then `python -m xcat_rec.tests.docs.browse .cache/site/material` in an environment with playwright and
Chromium. It lists what overflows, texts with too little contrast, pictures that do not load, errors of the console and
requests to other servers, and takes pictures of the pages that are named: `--pictures FOLDER --pages zh/fit`.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ..serving.web.walk import ARGUMENTS, CONTRAST, OVERFLOWING

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
UNLOADED = "() => [...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
STILL = "*, *::before, *::after, *::placeholder { transition: none !important; animation: none !important; }"
LAZY = "() => document.querySelectorAll('img[loading=lazy]').forEach(one => one.loading = 'eager')"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on the loopback.

    Args:
        site: Folder of a built site.
    """
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def addresses(site: Path) -> list[str]:
    """Every page of a site, as "zh/fit/"; "" is the first one."""
    found = [path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")]
    return sorted("" if name == "." else f"{name}/" for name in found)


def faults(page: Page, address: str, url: str, pictures: Path | None) -> Iterator[str]:
    """What is wrong with a page, in one scheme, at each width.

    Args:
        page: A tab.
        address: The page.
        url: The server.
        pictures: Folder for pictures; None for none.
    """
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("console", lambda line: said.append(f"console: {line.text}") if line.type == "error" else None)
    page.on("request", lambda one: None if one.url.startswith((url, "data:")) else said.append(f"asks {one.url}"))
    page.goto(url + address)
    page.add_style_tag(content=STILL)
    page.evaluate(LAZY)
    page.wait_for_load_state("networkidle")
    scheme = page.evaluate("document.body.dataset.mdColorScheme")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        wide = [one for one in page.evaluate(OVERFLOWING) if "md-search" not in one]  # it is closed, so cut
        said += [f"wider than {width} px: {one}" for one in wide]
        said += [f"contrast in {scheme} at {width} px: {one}" for one in page.evaluate(CONTRAST)]
        if pictures:
            page.screenshot(path=pictures / f"{address.replace('/', '-') or 'index-'}{width}-{scheme}.png")
    said += [f"picture does not load: {one}" for one in page.evaluate(UNLOADED)]
    yield from (f"/{address}: {one}" for one in said)


def look(browser: Browser, url: str, names: list[str], pictures: Path | None) -> int:
    """Write the faults of pages in both schemes, each once.

    Args:
        browser: The browser.
        url: The server.
        names: The pages.
        pictures: Folder for pictures; None for none.

    Returns:
        Number of faults.
    """
    found: set[str] = set()
    for scheme in SCHEMES:
        context = browser.new_context(color_scheme=scheme, viewport={"width": WIDTHS[0], "height": 900})
        for name in names:
            page = context.new_page()
            for fault in set(faults(page, name, url, pictures)) - found:
                found.add(fault)
                sys.stdout.write(f"{fault}\n")
            page.close()
        context.close()
    return len(found)


def main() -> int:
    """Look at a site; the exit code is 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder of a built site")
    parser.add_argument("--pages", nargs="*", help="pages such as zh/fit; all by default")
    parser.add_argument("--pictures", type=Path, help="folder for pictures; none by default")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    given = parser.parse_args()
    names = [f"{name.strip('/')}/".lstrip("/") for name in given.pages or []] or addresses(given.site)
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with served(given.site) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=ARGUMENTS)
        count = look(browser, url, names, given.pictures)
        browser.close()
    sys.stdout.write(f"{len(names)} pages, {count} faults\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
