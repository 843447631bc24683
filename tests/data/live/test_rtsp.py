"""Cameras behind an RTSP server that the test starts: DESCRIBE, SETUP and PLAY over TCP, H.264 in RTP."""

import asyncio
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fsd.data.live.live_source import LiveSource
from tests.data.live._cameras import first

server_module = pytest.importorskip("aio_rtsp_toolkit.server", reason="the extra `dev` is not installed")

CAMERAS = {"front": 0, "rear": 7}
START_TIMEOUT_S, COUNT = 30, 720


@pytest.fixture
def address(tools: Any, tmp_path: Path) -> Iterator[str]:
    """Where a server has a video for each camera."""
    for name in CAMERAS:
        shown, options = [place % 100 for place in range(COUNT)], {"g": "6", "bf": "0"}
        tools.write_video(tmp_path / f"{name}.mp4", list(range(COUNT)), Fraction(1, 36), numbers=shown, options=options)
    started = threading.Event()
    running: dict[str, Any] = {}

    async def serve() -> None:
        server = await server_module.RtspServer(str(tmp_path), "127.0.0.1", 0).start()
        running["port"] = server._server.sockets[0].getsockname()[1]
        running["loop"], running["end"] = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        await running["end"].wait()
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(START_TIMEOUT_S)
    yield f"rtsp://127.0.0.1:{running['port']}"
    running["loop"].call_soon_threadsafe(running["end"].set)
    thread.join(START_TIMEOUT_S)


def test_two_rtsp_cameras_are_shown_on_common_ticks(address: str) -> None:
    sources = {name: f"{address}/{name}.mp4" for name in CAMERAS}
    with LiveSource(sources, mask_cameras=False) as source:
        assert set(source.clip.sizes_px) == {"front_main", "rear"}
        tick = first(source, lambda tick: all(tick.is_valid[index] for index in CAMERAS.values()))
    assert all(tick.frames[index] is not None for index in CAMERAS.values())
