"""Lines that fit into a terminal."""

from rich.cells import cell_len

from xcat_rec.cli.console import PLAIN_WIDTH


def check_width(printed: str, width: int = PLAIN_WIDTH) -> None:
    """Fail if a line of tables takes more cells than a terminal has; bars, which end by a return, are left out."""
    lines = [line.rpartition("\r")[2] for line in printed.splitlines()]
    lines = [line for line in lines if not line.startswith("{")]
    assert lines
    too_long = [line for line in lines if cell_len(line) > width]
    assert not too_long, too_long
