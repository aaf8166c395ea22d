"""The description of a folder of ONNX graphs: names, shapes, checksums, and the model they were made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MANIFEST_FILE = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """Content of `manifest.json`.

    Args:
        format: Version of this layout.
        version: Version of this package that wrote the graphs.
        dtype: "fp32", "fp16", "bf16" or "int8".
        model: Fingerprint of the weights; see `model_digest`.
        catalogue: Fingerprint of the item ids; see `catalogue_digest`.
        num_items: Number of items.
        max_history: Events that the model reads.
        graphs: Per graph: `file`, `inputs` and `outputs` (type and names of axes), and `max_difference` from torch.
        files: SHA-256 of every file.
        checks: Results of the verification.
    """

    format: int
    version: str
    dtype: str
    model: str
    catalogue: str
    num_items: int
    max_history: int
    graphs: dict[str, dict[str, Any]]
    files: dict[str, str]
    checks: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write the file.

        Args:
            folder: The folder of the graphs.
        """
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the file and check all files against their checksums.

        Args:
            folder: The folder of the graphs.

        Raises:
            OSError: If there is no such folder, or a file of it is missing.
            ValueError: If a file is damaged, or was written by a later version.
        """
        file = folder / MANIFEST_FILE
        if not file.is_file():
            raise OSError(
                f"{folder} has no {MANIFEST_FILE}, so it is not a folder of ONNX graphs; write it with "
                f"xcat_rec.export(checkpoint, {str(folder)!r})"
            )
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            known, manifest = content["format"], None
            if known == FORMAT:
                manifest = cls(**content)
                files = {str(name): wanted for name, wanted in manifest.files.items()}
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(f"{file} is damaged ({error}); export again") from error
        if manifest is None:
            raise ValueError(f"{file} has format {known!r}, and this version reads {FORMAT}; export again")
        for name, wanted in files.items():
            if not (folder / name).is_file():
                raise OSError(f"{folder} has no {name}, which its {MANIFEST_FILE} names; export again")
            if file_digest(folder / name) != wanted:
                raise ValueError(f"{folder / name} is damaged: its SHA-256 is not that of the manifest; export again")
        return manifest


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
