"""A page with the overlay of a live run, for browsers on this machine: `/`, `/overlay.mjpeg`, `/plan.json` and more."""

import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from markupsafe import Markup

from fsd.data.errors import UsageError
from fsd.html.page import Page
from fsd.html.parts import picture, section
from fsd.live.plan_board import PlanBoard
from fsd.outputs.run_info import describe_training

HOST = "127.0.0.1"
NAMES = ("localhost", HOST)
"""By which a browser may ask: a page of another site that had its name resolve to this machine is refused."""

IMAGE_TIMEOUT_S = 5.0
ALT = "Cameras and plan. Where this text stands in their place, no plan is made: the run has ended."
FOOTER = Markup(
    'The plan as JSON: <a href="plan.json">plan.json</a>. One image: <a href="overlay.jpg">overlay.jpg</a>.'
)
_BOUNDARY = "image"


class PageServer:
    """Serves a board on the loopback interface; use it as a context manager. `address` is that of the page.

    Raises:
        UsageError: the port is in use, or may not be used.
    """

    def __init__(self, port: int) -> None:
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"--port {port} cannot be used ({error.strerror}). Give another one, or 0 for a free one."
            ) from error
        self.address = f"http://{HOST}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="live-page", daemon=True)

    def begin(self, board: PlanBoard) -> None:
        """Answer from now on."""
        self._server.board, self._server.page = board, _page(board).encode()
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    board: PlanBoard
    page: bytes


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        with suppress(ConnectionError):  # the browser has left
            self._answer()

    def _answer(self) -> None:
        if self.headers.get("Host", "").partition(":")[0] not in NAMES:
            self.send_error(HTTPStatus.FORBIDDEN, "Only this machine is served, by its name localhost")
            return
        board, path = self.server.board, self.path.partition("?")[0]
        if path == "/":
            self._send(self.server.page, "text/html; charset=utf-8")
        elif path == "/plan.json":
            self._send(board.plan_json(), "application/json")
        elif path == "/overlay.jpg":
            drawn = board.next_jpeg(0, IMAGE_TIMEOUT_S)
            if drawn is None:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "There is no plan yet")
            else:
                self._send(drawn[1], "image/jpeg")
        elif path == "/overlay.mjpeg":
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        """Overlays as they are drawn, each in the place of the one before."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = 0
        while (drawn := self.server.board.next_jpeg(number, IMAGE_TIMEOUT_S)) is not None:
            number, jpeg = drawn
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Requests are not printed between the plans."""


def _page(board: PlanBoard) -> str:
    metadata = board.metadata
    cameras = ", ".join(name.replace("_", " ") for name in board.clip.sizes_px)
    facts = (f"{metadata.name} ({metadata.precision}), {describe_training(metadata, board.clip)}", cameras)
    return Page(
        command="fsd live",
        heading="Live plan",
        facts=facts,
        sections=[section("Overlay", picture("overlay.mjpeg", ALT))],
        footer=[FOOTER, *board.clip.notes],
        has_own_images=True,
    ).html()
