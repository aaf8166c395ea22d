"""`xcat chat`: a dialogue in the terminal, or the turns of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..serving.chat.turn import ChatTurn

_LEAVE = {"quit", "exit", "bye", "goodbye", "退出", "再见", "拜拜"}


def chat(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    script: Annotated[Path | None, typer.Option(help="Text file with one turn per line, such as turns.txt.")] = None,
    history: Annotated[
        str | None, typer.Option(help='Item ids of the customer, oldest first: A,B or A,"B, large".')
    ] = None,
    support_log: Annotated[
        Path | None, typer.Option(help="Table with the columns question and answer, such as support.csv.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Recommendations per turn.")] = 5,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object per turn.")] = False,
) -> None:
    """Talk with a customer about the catalogue, in English or Chinese.

    It understands categories, brands, words of titles, what is not wanted, and price limits, over several turns.
    "quit" or Ctrl-D ends the dialogue, also as a line of a script.

    Examples:

        xcat chat my-checkpoint

        xcat chat my-checkpoint --history A,B --support-log support.csv

        xcat chat my-checkpoint --script turns.txt --json
    """
    from ..workflows.input_checks import check_checkpoint
    from .recommend import entries_of
    from .usage import check_at_least, check_file_to_read

    check_at_least("-k", k, 1)
    ids = [] if history is None else entries_of(history)
    check_checkpoint(checkpoint, revision)
    check_file_to_read("--support-log", support_log)
    turns = None if script is None else _turns_of(script)

    from ..ranking.recommender import XCatRecommender
    from ..serving.chat.session import ChatSession

    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    session = ChatSession(recommender, support_log=support_log, k=k, history=ids)
    _say_unknown(recommender.unknown_items([ids]).sum(), len(ids))
    for text in _typed(json_output) if turns is None else turns:
        _show(session.say(text), json_output, None if turns is None else text)


def _turns_of(script: Path) -> list[str]:
    """The turns of a file, up to a line such as "quit"; empty lines are left out.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is not text.
    """
    try:
        lines = script.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"--script {script} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return [line for line in takewhile(lambda line: not _leaves(line), lines) if line.strip()]


def _leaves(line: str) -> bool:
    """Whether a line ends the dialogue."""
    return line.strip().strip(" .!。！").lower() in _LEAVE


def _typed(json_output: bool) -> Iterator[str]:
    """What is typed, up to "quit" or the end of the input."""
    from .console import messages

    terminal = sys.stdin.isatty()
    if terminal and not json_output:
        messages.print('What are you looking for? "quit" ends. 您想找什么？输入“退出”结束。')
    while True:
        try:
            text = messages.input("> ") if terminal else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            messages.print()
            return
        except UnicodeDecodeError as error:
            raise ValueError(f"the input is not {error.encoding} text; set the locale to UTF-8") from None
        if (not text and not terminal) or _leaves(text):
            return
        if text.strip():
            yield text


def _show(turn: ChatTurn, json_output: bool, text: str | None) -> None:
    from ..serving.chat.answers import shown_state
    from .console import print_json, results
    from .rendering import recommendation_table
    from .wrapping import wrapped

    if json_output:
        print_json(turn.to_dict())
        return
    if text is not None:
        results.print(f"> {text.strip()}", highlight=False)
    if state := shown_state(turn.understood):
        results.print(wrapped(f"[{state}]", results.options.max_width), highlight=False, soft_wrap=True)
    results.print(wrapped(turn.answer, results.options.max_width), highlight=False, soft_wrap=True)
    if turn.recommendations:
        results.print(recommendation_table(turn.recommendations, ""), highlight=False)
    results.print()


def _say_unknown(unknown: int, events: int) -> None:
    from ..modeling_xcat.unknown_users_xcat import unknown_note
    from .console import say

    if unknown:
        say(f"note: {unknown_note(unknown, events)}")
