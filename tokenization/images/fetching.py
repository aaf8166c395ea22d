"""The bytes of an image, from a file or an http(s) address, with limits of size and time."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

_CHUNK = 1 << 16
_FAILURES = 20
"""Failed connections to a host in a row after which its other addresses are not tried."""
_BINARY_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")


class ImageError(Exception):
    """An image cannot be read; the message is the reason, in a few words."""


def is_address(reference: str) -> bool:
    """Whether a text is an address of the web rather than a file.

    Example:
        >>> is_address("https://shop.example/a.png"), is_address("images/a.png")
        (True, False)
    """
    return reference.lower().startswith(("http://", "https://", "//"))


class ImageFetcher:
    """Reads the bytes of images; may be called from several threads.

    Args:
        folder: Folder that files are relative to.
        megabytes: Largest file or download.
        seconds: Seconds allowed for one download, redirections included.
    """

    def __init__(self, folder: Path, megabytes: float, seconds: float) -> None:
        self.folder, self.megabytes, self.seconds = folder, megabytes, seconds
        self._most = int(megabytes * 1_000_000)
        self._opener = urllib.request.build_opener(_WebOnly)
        self._failures: Counter[str] = Counter()
        self._lock = Lock()

    def read(self, reference: str) -> bytes:
        """The bytes of a file or an address.

        Raises:
            ImageError: If there are none, or too many.
        """
        return self._download(reference) if is_address(reference) else self._file(reference)

    def _file(self, name: str) -> bytes:
        path = self.folder / name
        try:
            if path.is_dir() or not path.exists():
                raise ImageError("is a folder" if path.is_dir() else "there is no such file")
            if path.stat().st_size > self._most:
                raise ImageError(self._too_large(path.stat().st_size))
            return path.read_bytes()
        except OSError as error:
            raise ImageError(str(error.strerror)) from error

    def _download(self, address: str) -> bytes:
        address = f"https:{address}" if address.startswith("//") else address
        host = urlsplit(address).netloc
        if self._failures[host] >= _FAILURES:
            raise ImageError(f"not tried, because {_FAILURES} downloads from {host} in a row got no answer")
        deadline = time.monotonic() + self.seconds
        try:
            request = urllib.request.Request(quote(address, safe=":/?#[]@!$&'()*+,;=%~"))
            with self._opener.open(request, timeout=self.seconds) as answer:
                content = self._body(answer, deadline)
        except urllib.error.HTTPError as error:
            self._count(host, answered=True)
            raise ImageError(f"the server answers {error.code}") from error
        except ImageError:
            self._count(host, answered=True)
            raise
        except (OSError, HTTPException, ValueError) as error:
            slow = isinstance(getattr(error, "reason", error), TimeoutError)
            self._count(host, answered=False)
            told = f"no answer within {self.seconds:g} s" if slow else f"cannot be reached ({_reason(error)})"
            raise ImageError(told) from error
        self._count(host, answered=True)
        return content

    def _body(self, answer: Any, deadline: float) -> bytes:
        kind = answer.headers.get("Content-Type", "image/")
        if not kind.lower().startswith(_BINARY_TYPES):
            raise ImageError(f"the server sends {kind.partition(';')[0]}, not an image")
        announced = answer.headers.get("Content-Length", "0")
        if announced.isdigit() and int(announced) > self._most:
            raise ImageError(self._too_large(int(announced)))
        parts, size = [], 0
        while part := answer.read1(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > self._most:
                raise ImageError(self._too_large(size))
            if time.monotonic() > deadline:
                raise TimeoutError
        return b"".join(parts)

    def _too_large(self, size: int) -> str:
        return f"has {size / 1_000_000:.1f} MB, more than image_megabytes={self.megabytes:g}"

    def _count(self, host: str, answered: bool) -> None:
        with self._lock:
            self._failures[host] = 0 if answered else self._failures[host] + 1


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https alone, not to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_address(newurl):
            raise ImageError("is redirected to an address that is not of the web")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner)[:80]
