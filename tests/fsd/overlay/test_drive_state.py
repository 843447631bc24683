from pathlib import Path

import numpy as np
import pytest

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.driving_mode import DRIVING_MODES, DrivingModeTrack
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.data.options import OptionError
from fsd.data.standard_rigs import canonical_rig
from fsd.data.wall_clock import Moment, WallClock
from fsd.overlay.drive_state import MODE_RGB
from fsd.overlay.layout import OverlayConfig, drawable
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult

METADATA = PlannerMetadata(name="made", trained=True, precision="fp32", weights_sha256="", inputs={})


def clip(name: str = "made", **parts: object) -> Clip:
    streams = tuple(
        CameraStream(name=camera, width_px=64, height_px=48, codec="", rate_hz=RATE_HZ) for camera in CAMERAS
    )
    return Clip(name, Path(), "native", canonical_rig(64, 48), False, streams, **parts)  # type: ignore[arg-type]


def painted(clip: Clip, at_s: float = 0.0, title: str | None = None) -> np.ndarray:
    """(H, W, 3) image of a tick at this time."""
    time_ns = round(at_s * 1e9)
    flat = np.zeros((16, 4), np.float32)
    plan = Plan(0, time_ns, flat, flat + 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.full(4, 0.25), "ok")
    nothing = np.zeros(8, bool)
    frame_set = FrameSet(0, time_ns, (None,) * 8, np.full(8, -1), nothing, nothing)
    result = StepResult(frame_set, plan, None, "none", b"", b"", 0.0, 0.0, 0.0, 0.0)
    painter = OverlayPainter(clip, METADATA, OverlayConfig(title=title))
    return np.asarray(painter.paint(result, None, "none")).astype(int)


def changed_rows(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    rows = np.flatnonzero((one != other).any(axis=(1, 2)))
    return int(rows.min()), int(rows.max())


@pytest.mark.parametrize("mode", DRIVING_MODES)
def test_the_band_has_the_colour_of_the_mode_over_the_whole_width(mode: str) -> None:
    image = painted(clip(modes=DrivingModeTrack(np.array([0]), (mode,))))
    assert (image[37] == MODE_RGB[mode]).all()
    assert changed_rows(image, painted(clip()))[1] < 40  # only the header


def test_an_unknown_mode_is_grey_and_no_two_modes_look_alike() -> None:
    image = painted(clip(modes=DrivingModeTrack(np.array([0]), ("cruise",))), at_s=0.6)
    assert (image[37] == MODE_RGB[None]).all()
    colours = np.array(list(MODE_RGB.values()))
    distances = np.abs(colours[:, None] - colours[None]).sum(axis=2)[np.triu_indices(len(colours), 1)]
    assert distances.min() > 60


@pytest.mark.parametrize(("at_s", "is_shown"), [(0.9, False), (1.0, True), (2.9, True), (3.0, False)])
def test_a_moment_is_shown_for_two_seconds(at_s: float, is_shown: bool) -> None:
    marked = painted(clip(moments=(Moment(10**9, "saved: horn"),)), at_s)
    assert bool((marked != painted(clip(), at_s)).any()) is is_shown


def test_the_wall_clock_changes_the_header_every_second() -> None:
    clock = WallClock(1_767_225_600 * 10**9)
    first, same, later = (painted(clip(wall_clock=clock), at_s) for at_s in (0.0, 0.9, 1.0))
    assert (first == same).all()
    top, bottom = changed_rows(first, later)
    assert 0 < top <= bottom < 40


def test_a_title_stands_in_place_of_the_name() -> None:
    assert (painted(clip("one"), title="Over the hill") == painted(clip("other"), title="Over the hill")).all()
    assert (painted(clip("one")) == painted(clip("two"), title="one")).all()
    assert (painted(clip("one")) != painted(clip("two"))).any()


def test_a_long_title_does_not_run_into_the_mode() -> None:
    driven = clip(modes=DrivingModeTrack(np.array([0]), ("self_driving",)))
    assert (painted(driven, title="x" * 500)[:, 1180:] == painted(driven, title="x")[:, 1180:]).all()


def test_a_title_is_drawn_in_letters_that_the_font_has() -> None:
    assert drawable("Über\nŁódź – ok?") == "Uber Lodz - ok?"
    with pytest.raises(OptionError) as refused:
        OverlayConfig(title="東京 by night")
    assert refused.value.name == "title"
    assert "東" in str(refused.value)
