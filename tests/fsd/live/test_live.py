"""`fsd live`, fed by network streams that the tests serve."""

import json
import re
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from fsd.cli import main
from fsd.data.errors import UsageError
from fsd.live.config import LiveConfig
from fsd.live.live import LivePlan, live
from tests.data.live._cameras import StreamServer

TIMEOUT_S = 60


def test_plans_of_network_cameras_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with StreamServer() as front, StreamServer() as rear, StreamServer() as left:
        cameras = [f"front={front.address}", f"rear={rear.address}", f"cross_left={left.address}"]
        code = main(
            ["live", "--camera", *cameras[:2], "--camera", cameras[2], "--max-ticks", "6", "--print-every", "1"]
        )
    printed = capsys.readouterr().out
    assert code == 0
    assert len(re.findall(r"^tick \d+ ", printed, re.MULTILINE)) == 6
    assert re.search(r"^live: 6 plans", printed, re.MULTILINE)
    assert "no video     front_wide" in printed


def test_the_page_is_served_while_plans_are_made_and_ctrl_c_ends_the_run() -> None:
    answers: dict[str, Future[bytes]] = {}

    def on_start(_source: object, _metadata: object, address: str) -> None:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        for path in ("", "overlay.jpg", "plan.json", "nothing"):
            answers[path] = pool.submit(lambda path=path: urlopen(address + path, timeout=TIMEOUT_S).read())
        answers["stream"] = pool.submit(lambda: urlopen(address + "overlay.mjpeg", timeout=TIMEOUT_S).read(200))
        foreign = Request(address, headers={"Host": "example.org"})
        answers["foreign"] = pool.submit(lambda: urlopen(foreign, timeout=TIMEOUT_S).read())

    plans: list[LivePlan] = []

    def on_plan(plan: LivePlan) -> None:
        plans.append(plan)
        if all(answer.done() for answer in answers.values()):
            raise KeyboardInterrupt

    with ExitStack() as stack:
        front = stack.enter_context(StreamServer())
        pool = stack.enter_context(ThreadPoolExecutor(8))
        config = LiveConfig(cameras={"front_main": front.address}, serve=True, port=0)
        summary = live(config, on_plan, on_start)
    assert summary.status == "interrupted"
    assert summary.ticks == summary.plan_ms.samples == len(plans) > 0  # type: ignore[union-attr]
    assert summary.clip.rig == "assumed"
    assert sum(summary.odometry_ticks.values()) == len(plans)
    assert b'<img class="picture" src="overlay.mjpeg"' in answers[""].result()
    assert answers["overlay.jpg"].result()[:3] == b"\xff\xd8\xff"
    assert b"Content-Type: image/jpeg" in answers["stream"].result()
    shown: dict[str, Any] | None = json.loads(answers["plan.json"].result())
    assert shown is None or len(shown["x_m"]) == 16
    assert _status(answers["nothing"]) == 404
    assert _status(answers["foreign"]) == 403


def _status(answer: "Future[bytes]") -> int:
    error = answer.exception()
    assert isinstance(error, HTTPError)
    return error.code


@pytest.mark.parametrize(
    "arguments",
    [[], ["--camera", "front"], ["--camera", "front=/dev/none", "front=/dev/other"], ["--input-option", "x"]],
    ids=["no camera", "no source", "twice", "no value"],
)
def test_a_wrong_camera_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", *arguments]) == 2
    assert "--camera" in (error := capsys.readouterr().err) or "--input-option" in error


def test_a_missing_device_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--camera", "front_main=/dev/video-none"]) == 3
    assert "/dev/video-none" in capsys.readouterr().err


def test_a_port_in_use_is_a_usage_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = LiveConfig(cameras={"front": "/dev/video0"}, serve=True, port=taken.getsockname()[1])
        with pytest.raises(UsageError, match="--port"):
            live(config)


def test_a_camera_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--camera", "front_mian=drive.mp4"]) == UsageError.exit_code
    printed = capsys.readouterr().err
    assert "Did you mean front_main?" in printed
    assert "opening cameras" not in printed
