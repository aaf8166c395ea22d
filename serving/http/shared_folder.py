"""What the processes of one service share in a folder: the checkpoint that they serve, and their metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ...ranking.index.locking import locked

_CHECKPOINT = "checkpoint.json"


class Announced(NamedTuple):
    """The checkpoint to serve.

    Args:
        number: Number of the change; every change adds 1.
        checkpoint: Its folder or name.
        index_folder: Folder of its index, or None.
    """

    number: int
    checkpoint: str
    index_folder: str | None


class SharedFolder:
    """The folder, as one of the processes sees it.

    Args:
        folder: The folder.
        number: Number of the process; one that ends is followed by another with its number.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self._number = folder, number

    def announced(self) -> Announced | None:
        """The checkpoint that all processes serve, or None for that of the start."""
        try:
            return Announced(**json.loads((self.folder / _CHECKPOINT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def announce(self, checkpoint: str, index: str | None) -> Announced:
        """Let all processes serve another checkpoint."""
        with locked(self.folder):
            before = self.announced()
            now = Announced(1 if before is None else before.number + 1, checkpoint, index)
            self._write(_CHECKPOINT, json.dumps(now._asdict()).encode())
        return now

    def share_metrics(self, own: bytes) -> None:
        """Let the other processes read the metrics of this one."""
        self._write(f"metrics-{self._number}", own)

    def metrics(self, own: bytes) -> bytes:
        """The sums of the metrics of all processes; those of the others are a second old at most.

        Args:
            own: Those of this process.
        """
        self.share_metrics(own)
        others = sorted(path for path in self.folder.glob("metrics-*") if path.name != f"metrics-{self._number}")
        return summed([own, *(path.read_bytes() for path in others)])

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self.folder / f".{name}.{self._number}"
        unfinished.write_bytes(content)
        os.replace(unfinished, self.folder / name)


def summed(texts: Iterable[bytes]) -> bytes:
    r"""The sums of metrics in the text format of Prometheus.

    Example:
        >>> summed([b"# TYPE a counter\na_total 1.0\n", b'# TYPE a counter\na_total 2.0\na_total{b="c"} 1.0\n'])
        b'# TYPE a counter\na_total 3.0\na_total{b="c"} 1.0\n'
    """
    families: dict[str, tuple[list[str], dict[str, float]]] = {}
    for text in texts:
        name = ""
        for line in text.decode().splitlines():
            if line.startswith("#"):
                name = line.split(" ")[2]
                comments, _ = families.setdefault(name, ([], {}))
                if line not in comments:
                    comments.append(line)
            elif line:
                sample, _, value = line.rpartition(" ")
                values = families[name][1]
                values[sample] = values.get(sample, 0.0) + float(value)
    lines = [
        line
        for comments, values in families.values()
        for line in (*comments, *(f"{sample} {value}" for sample, value in values.items()))
    ]
    return "".join(f"{line}\n" for line in lines).encode()
