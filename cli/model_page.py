"""The models of bench as a page of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions
from rich.text import Text

from ..counting import counted
from ..workflows.model_list import BenchModel

INDENT = "    "


class ModelPage:
    """Models by purpose: the name, then its description and source, wrapped at blanks, for `Console.print`.

    Args:
        models: The models.
    """

    def __init__(self, models: Sequence[BenchModel]) -> None:
        self.models = models

    def lines(self, width: int) -> list[str]:
        """The lines, at most `width` characters wide."""
        lines = []
        for purpose in dict.fromkeys(model.purpose for model in self.models):
            chosen = [model for model in self.models if model.purpose == purpose]
            lines += [f"Task {purpose}: {counted(len(chosen), 'model')}", ""]
            for model in chosen:
                once = "" if model.trained else " (one run)"
                lines += [
                    f"{model.name}{once}",
                    *_wrapped(model.description, width),
                    *_wrapped(model.reference, width),
                ]
            lines.append("")
        lines += textwrap.wrap("(one run): nothing random enters it; other models are trained once per seed", width)
        return lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        yield from (Text(line, no_wrap=True) for line in self.lines(options.max_width))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT)
