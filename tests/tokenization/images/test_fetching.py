"""Bytes of images from files and from a server on this machine, and their limits."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from xcat_rec.tokenization.images import fetching
from xcat_rec.tokenization.images.decoding import MOST_PIXELS, decode_image
from xcat_rec.tokenization.images.fetching import ImageError, ImageFetcher

from ...picture_shop import picture


def content(kind: str = "PNG", number: int = 1) -> bytes:
    sink = io.BytesIO()
    picture(number).save(sink, kind)
    return sink.getvalue()


class _Answers(BaseHTTPRequestHandler):
    """Answers by path, and counts the requests of the server."""

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/moved":
            return self._send(302, {"Location": "/a.png"})
        if self.path == "/elsewhere":
            return self._send(302, {"Location": "ftp://127.0.0.1/a.png"})
        if self.path == "/page":
            return self._send(200, {"Content-Type": "text/html"}, b"<html>")
        if self.path == "/announced":
            return self._send(200, {"Content-Type": "image/png", "Content-Length": "9000000"})
        if self.path == "/endless":
            return self._send(200, {"Content-Type": "image/png"}, b"x" * 3_000_000)
        if self.path == "/slow":
            time.sleep(1.0)
        if self.path.endswith("a.png") or self.path == "/slow":
            return self._send(200, {"Content-Type": "image/png"}, content())
        return self._send(404, {})

    def _send(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Print nothing when a reader that has had enough closes the connection."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    running = _Server(("127.0.0.1", 0), _Answers)
    running.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_a_file_and_an_address_give_their_bytes(tmp_path: Path, address: str) -> None:
    (tmp_path / "a.png").write_bytes(content(number=2))
    fetcher = ImageFetcher(tmp_path, megabytes=1, seconds=5)
    assert fetcher.read("a.png") == content(number=2)
    assert fetcher.read(f"{address}/a.png") == fetcher.read(f"{address}/moved") == content()
    assert fetcher.read(f"{address}/Größe a.png") == content()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/b.png", "the server answers 404"),
        ("/page", "the server sends text/html, not an image"),
        ("/announced", "has 9.0 MB, more than image_megabytes=1"),
        ("/endless", "MB, more than image_megabytes=1"),
        ("/elsewhere", "is redirected to an address that is not of the web"),
        ("/slow", "no answer within 0.2 s"),
    ],
)
def test_limits_of_downloads(tmp_path: Path, address: str, name: str, reason: str) -> None:
    fetcher = ImageFetcher(tmp_path, megabytes=1, seconds=0.2 if name == "/slow" else 5)
    with pytest.raises(ImageError, match=reason):
        fetcher.read(address + name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"x" * 2_000_000)
    fetcher = ImageFetcher(tmp_path, megabytes=1, seconds=5)
    for name, reason in (
        ("none.png", "there is no such file"),
        (".", "is a folder"),
        ("large.png", "has 2.0 MB"),
        ("a" * 300, "File name too long"),
    ):
        with pytest.raises(ImageError, match=reason):
            fetcher.read(name)


def test_a_host_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_FAILURES", 2)
    fetcher = ImageFetcher(tmp_path, megabytes=1, seconds=5)
    reasons = []
    for number in range(4):
        with pytest.raises(ImageError) as caught:
            fetcher.read(f"http://127.0.0.1:9/{number}.png")  # nothing listens there
        reasons.append(str(caught.value))
    assert all(reason.startswith("cannot be reached") for reason in reasons[:2])
    assert reasons[2:] == ["not tried, because 2 downloads from 127.0.0.1:9 in a row got no answer"] * 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(kind: str) -> None:
    decoded = decode_image(content(kind))
    assert (decoded.mode, decoded.size) == ("RGB", picture(1).size)
    assert decoded.getpixel((8, 2)) == pytest.approx(picture(1).getpixel((8, 2)), abs=12)


def test_transparent_pixels_are_white() -> None:
    sink = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(sink, "PNG")
    assert decode_image(sink.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ImageError, match="is not an image"):
        decode_image(b"%PDF-1.7")
    with pytest.raises(ImageError, match="is not an image"):
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(ImageError, match="is damaged"):
        decode_image(content()[:60])


def test_a_decompression_bomb_is_refused_before_it_unpacks() -> None:
    side = 20_000
    assert side * side > MOST_PIXELS

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    with pytest.raises(ImageError, match=r"too many pixels|20,000 x 20,000 pixels, more than 50,000,000"):
        decode_image(bomb)
