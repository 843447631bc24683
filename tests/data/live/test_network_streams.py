"""Cameras on the network: MPEG transport streams over TCP that the test serves."""

import pytest

from fsd.data.errors import ClipError
from fsd.data.frames import MAX_FRAME_AGE_NS
from fsd.data.live.live_source import LiveSource
from tests.data.live._cameras import HEIGHT_PX, WIDTH_PX, StreamServer, first, wait_until

FRONT, REAR = 0, 7


def test_a_camera_that_goes_away_becomes_stale_and_is_opened_anew_when_it_returns() -> None:
    with StreamServer() as front, StreamServer() as rear:
        with LiveSource({"front": front.address, "rear": rear.address}, mask_cameras=False) as source:
            assert source.clip.sizes_px["rear"] == (WIDTH_PX, HEIGHT_PX)
            first(source, lambda tick: bool(tick.is_valid[FRONT] and tick.is_valid[REAR]))
            rear.go_away()
            # While the machine is busy, an old picture is not the camera's fault until it is known to be away.
            without = first(source, lambda tick: "lost" in tick.faults[REAR])
            wait_until(lambda: source.states["rear"].startswith("away"))
            rear.come_back()
            back = first(source, lambda tick: bool(tick.is_valid[REAR]))
        assert without.age_ns[REAR] > MAX_FRAME_AGE_NS
        assert not without.is_valid[REAR]
        assert back.is_new[REAR]
        assert source.returns["rear"] >= 1
        assert source.report.cameras["rear"].ticks_stale > 0


def test_pictures_that_arrive_late_are_shown_with_their_age_and_are_not_valid() -> None:
    with StreamServer() as front, LiveSource({"front": front.address}, mask_cameras=False) as source:
        first(source, lambda tick: bool(tick.is_valid[FRONT]))
        front.delay_s = 0.6
        late = first(source, lambda tick: bool(tick.is_new[FRONT] and not tick.is_valid[FRONT]))
        front.delay_s = 0.0
        first(source, lambda tick: bool(tick.is_valid[FRONT]))
    assert late.age_ns[FRONT] > MAX_FRAME_AGE_NS


def test_an_address_that_nobody_serves_is_named_with_its_reason() -> None:
    server = StreamServer()
    server.go_away()
    with pytest.raises(ClipError) as raised:
        LiveSource({"rear": server.address}, start_timeout_s=0.3)
    assert raised.value.camera == "rear"
    assert "refused" in str(raised.value)
