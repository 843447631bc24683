from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageDraw

from fsd.cli import main
from fsd.data.errors import UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, Frame
from fsd.data.open_clip import open_clip
from fsd.data.options import OptionError
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.contract import SIMULATOR
from fsd.overlay.drawing import GAZE, WARNING, camera_image, draw_gaze, draw_plan, fitted, rgb_image, ribbon_edges
from fsd.overlay.gauges import Facts, Fonts, draw_gauges, fitting_range_m
from fsd.overlay.layout import HEIGHTS_PX, OverlayConfig, choose_layout
from fsd.overlay.painter import OverlayPainter
from fsd.overlay.video_writer import check_limits
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.runtime.health import describe_health
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult

FOUR_THIRDS, WIDE = (1280, 960), (1920, 1080)


def sizes(names: Sequence[str] = CAMERAS, size: tuple[int, int] = FOUR_THIRDS) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(names, size)


def straight(reach_m: float = 40.0) -> Plan:
    trajectory = np.zeros((16, 4), np.float32)
    trajectory[:, 0] = np.linspace(reach_m / 16, reach_m, 16)
    scale = np.full((16, 4), 0.4, np.float32)
    return Plan(0, 0, trajectory, scale, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.full(4, 0.25), "ok")


def warned_columns(image: Image.Image) -> int:
    """Columns of the header that hold the colour of warnings."""
    return int((np.asarray(image)[:40] == WARNING).all(axis=-1).any(axis=0).sum())


@pytest.mark.parametrize(
    ("trained_on", "is_simulated", "is_warned"),
    [(SIMULATOR, False, True), (SIMULATOR, True, False), ("recordings", False, False)],
)
def test_a_network_of_the_simulator_is_named_as_such_on_real_video(
    small_clip: Path, trained_on: str, is_simulated: bool, is_warned: bool
) -> None:
    clip = open_clip(small_clip)
    clip = replace(clip, rig=msgspec.structs.replace(clip.rig, is_simulated=is_simulated))
    metadata = PlannerMetadata("made", True, "int8", "", {}, trained_on=trained_on)
    with FrameSource(clip, max_ticks=1) as source:
        result = StepResult(next(source), straight(), None, "ego", b"", b"", 1, 0, 1, 1)
    assert (warned_columns(OverlayPainter(clip, metadata).paint(result, None, "none")) > 100) == is_warned


def grey_frame(height: int = 96, width: int = 128, value: int = 90) -> Frame:
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return Frame(np.full((height, width), value, np.uint8), chroma, chroma, 0, 0)


HW4 = ("front_main", "left_pillar", "right_pillar", "left_repeater", "right_repeater", "rear")


@pytest.mark.parametrize("names", [CAMERAS, CAMERAS[1:], CAMERAS[3:], CAMERAS[:1], CAMERAS[-1:], CAMERAS[:2], HW4])
@pytest.mark.parametrize("size", [FOUR_THIRDS, WIDE])
@pytest.mark.parametrize("layout", [None, "surround", "focus"])
def test_every_camera_has_a_tile_and_no_two_overlap(
    names: tuple[str, ...], size: tuple[int, int], layout: str | None
) -> None:
    found = choose_layout(sizes(names, size), OverlayConfig(layout=layout))
    assert set(names) == set(found.tiles)  # an absent camera takes no space
    covered = np.zeros((found.height_px, found.width_px), int)
    for box in (*found.tiles.values(), found.gauges):
        assert box.y >= found.header_px
        assert box.x + box.width <= found.width_px
        assert box.y + box.height <= found.height_px
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    above = found.birdseye
    covered[above.y : above.y + above.height, above.x : above.x + above.width] += 1
    assert covered[found.header_px :].min() == 1


@pytest.mark.parametrize("height_px", HEIGHTS_PX)
def test_a_larger_canvas_has_the_same_layout(height_px: int) -> None:
    small, large = choose_layout(sizes()), choose_layout(sizes(), OverlayConfig(height_px=height_px))
    assert (large.width_px, large.height_px) == (height_px * 16 // 9, height_px)
    for name, box in small.tiles.items():
        assert large.tiles[name].x == pytest.approx(box.x * large.unit, abs=1)


def test_the_plan_is_drawn_into_the_best_front_camera() -> None:
    assert choose_layout(sizes()).main == "front_main"
    assert choose_layout(sizes(CAMERAS[1:])).main == "front_wide"
    assert choose_layout(sizes(("rear",))).main is None


def test_chosen_cameras_are_the_only_ones_shown_and_the_first_front_one_is_large() -> None:
    layout = choose_layout(sizes(), OverlayConfig(cameras=("rear", "front_wide", "front_main")))
    assert set(layout.tiles) == {"rear", "front_wide", "front_main"}
    assert layout.main == "front_wide"
    assert max(layout.tiles, key=lambda name: layout.tiles[name].width) == "front_wide"


@pytest.mark.parametrize(
    ("settings", "name", "fact"),
    [
        ({"layout": "grid"}, "layout", "surround, focus"),
        ({"cameras": ("nose",)}, "cameras", "nose"),
        ({"cameras": ()}, "cameras", "cameras"),
        ({"height_px": 700}, "height_px", "1080"),
        ({"from_s": 3.0, "to_s": 2.0}, "to_s", "3"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_those_that_can(settings: dict, name: str, fact: str) -> None:
    with pytest.raises(OptionError, match=fact) as error:
        OverlayConfig(**settings)
    assert error.value.name == name


def test_the_video_shows_the_seconds_that_were_asked_for(small_clip: Path, tmp_path: Path) -> None:
    config = ReplayConfig(
        clip=small_clip,
        out=tmp_path,
        report=False,
        mcap=False,
        overlay_config=OverlayConfig(from_s=0.5, to_s=0.75, layout="focus", height_px=1080),
    )
    summary = replay(config, show_progress=False)
    assert summary.ticks == 40  # the network has a memory: all ticks are planned, some are shown
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        images = list(video.decode(video=0))
    assert len(images) == 9
    assert (images[0].width, images[0].height) == (1920, 1080)
    assert images[0].colorspace == 1  # BT.709, as players expect of HD


def test_a_wrong_overlay_option_is_a_usage_error(small_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["replay", str(small_clip), "--overlay-cameras", "nose"])
    assert stop.value.code == 2
    assert "front_main" in capsys.readouterr().err


def test_limited_range_black_and_white_become_screen_black_and_white() -> None:
    luma = np.full((8, 8), 16, np.uint8)
    luma[:, 4:] = 235
    chroma = np.full((4, 4), 128, np.uint8)
    frame = Frame(luma, chroma, chroma, 0, 0)
    own = av.VideoFrame.from_ndarray(np.concatenate([luma, np.full((4, 8), 128, np.uint8)]), format="yuv420p")
    for image in (rgb_image(frame, (8, 8)), rgb_image(replace(frame, picture=own), (8, 8))):
        values = np.asarray(image)
        assert (values[:, 0] == 0).all()
        assert (values[:, -1] >= 254).all()


def test_an_image_that_fills_its_box_is_cut_and_one_that_fits_is_whole() -> None:
    fits, fills = fitted(128, 96, 160, 90, fills=False), fitted(128, 96, 160, 90, fills=True)
    assert (fits.width, fits.height) == (120, 90)
    assert (fills.width, fills.height) == (160, 90)
    assert camera_image(grey_frame(), fills).size == (160, 90)


def test_a_kept_reformatter_gives_the_same_images_whatever_sizes_come() -> None:
    random, kept = np.random.default_rng(0), VideoReformatter()
    for height, width in ((96, 128), (192, 256), (96, 128), (48, 64)):
        frame = replace(grey_frame(height, width), y_plane=random.integers(16, 235, (height, width), np.uint8))
        view = fitted(width, height, 160, 90, fills=True)
        assert np.array_equal(np.asarray(camera_image(frame, view, kept)), np.asarray(camera_image(frame, view)))


def test_a_text_that_returns_looks_as_if_it_were_new() -> None:
    def written(fonts: Fonts, x: float) -> np.ndarray:
        image = Image.new("RGB", (120, 30))
        draw = ImageDraw.Draw(image)
        draw.text((x, 4), "rear 12 ms", fill=GAZE, font=fonts[12])
        return np.r_[np.asarray(image).ravel(), draw.textlength("rear 12 ms", fonts[12])]

    used = Fonts(1.5)
    for x in (3, 3.5, 3, 20):
        assert np.array_equal(written(used, x), written(Fonts(1.5), x))


def test_gaze_tints_the_blocks_that_were_read_and_no_others() -> None:
    view = fitted(128, 96, 128, 96, fills=False)
    image = camera_image(grey_frame(), view)
    before = np.asarray(image).astype(int)
    draw_gaze(image, view, (128, 96), np.array([[10.0, 7.0, 1.0]]), unit=1.0)
    changed = np.abs(np.asarray(image) - before).sum(axis=2) > 0
    rows, columns = np.nonzero(changed)
    assert 44 <= rows.min() <= rows.max() <= 52
    assert 63 <= columns.min() <= columns.max() <= 71
    assert np.asarray(image)[rows.min(), columns[0]][0] > GAZE[0] * 0.8


def test_the_plan_lies_on_the_road_ahead() -> None:
    rig = canonical_rig(128, 96)
    view = fitted(128, 96, 128, 96, fills=False)
    image = camera_image(grey_frame(), view)
    before = np.asarray(image).astype(int)
    camera = rig.camera("front_main")
    assert camera is not None
    draw_plan(image, view, camera, straight(), None, unit=1.0)
    rows, columns = np.nonzero(np.abs(np.asarray(image) - before).sum(axis=2) > 20)
    assert rows.min() > 40  # below the horizon
    assert columns.mean() == pytest.approx(64, abs=2)
    assert np.ptp(columns[rows == rows.max()]) > np.ptp(columns[rows == rows.min()])


def test_a_camera_that_looks_back_shows_no_plan() -> None:
    view = fitted(128, 96, 128, 96, fills=False)
    image = camera_image(grey_frame(), view)
    before = np.asarray(image).copy()
    rear = canonical_rig(128, 96).camera("rear")
    assert rear is not None
    draw_plan(image, view, rear, straight(), np.full((16, 4), np.nan), unit=1.0)
    assert np.array_equal(np.asarray(image), before)


def test_a_straight_plan_gives_a_ribbon_of_the_cars_width() -> None:
    left, right = ribbon_edges(straight().trajectory)
    assert np.allclose(left[:, 1], 0.9)
    assert np.allclose(right[:, 1], -0.9)


def test_a_standing_plan_gives_a_finite_ribbon() -> None:
    left, right = ribbon_edges(np.zeros((16, 4), np.float32))
    assert np.isfinite(left).all()
    assert np.isfinite(right).all()


def test_the_birds_eye_view_grows_at_once_and_shrinks_late() -> None:
    now_m = fitting_range_m(straight(10), 0)
    assert now_m == 24
    now_m = fitting_range_m(straight(40), now_m)
    assert now_m == 48
    assert fitting_range_m(straight(22), now_m) == 48
    assert fitting_range_m(straight(10), now_m) == 24
    assert fitting_range_m(straight(1000), now_m) == 192


def test_health_is_described_with_every_fault() -> None:
    described = describe_health("missing=rear,front_main;no_ego;plan=held").split("; ")
    assert len(described) == 3
    assert "rear, front main" in described[0]
    assert "ego" in described[1]
    assert "held" in described[2]
    assert ";" not in describe_health("ok")


@pytest.mark.parametrize("layout", ["surround", "focus"])
@pytest.mark.parametrize("size", [FOUR_THIRDS, WIDE])
def test_every_fault_and_the_plans_source_fit_into_the_gauges(layout: str, size: tuple[int, int]) -> None:
    names = ",".join(CAMERAS)
    health = f"stale=rear;frozen={names};glare=front_main,rear;masked={names};plan=stop"
    box = choose_layout(sizes(size=size), OverlayConfig(layout=layout)).gauges
    canvas = Image.new("RGB", (box.width, box.height))
    draw, fonts, written = ImageDraw.Draw(canvas), Fonts(1.0), []
    facts = Facts("left", frozenset(CAMERAS), True, ["budget B100", "int8", "1/100 of the pixels", "58 patches"])
    write = draw.text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "text", lambda at, text, **how: written.append((at, text, how)) or write(at, text, **how))
        draw_gauges(draw, replace(box, x=0, y=0), replace(straight(), health=health), None, facts, fonts, 1.0)
    edges = [draw.textbbox(at, text, font=how["font"], anchor=how.get("anchor")) for at, text, how in written]
    assert min(edge[0] for edge in edges) >= 0
    assert max(edge[2] for edge in edges) <= box.width
    assert max(edge[3] for edge in edges) <= box.height
    shown = " ".join(text for _, text, _ in written)
    assert "…" not in shown
    assert "masked" in shown
    assert "plan: stop" in shown


def test_what_the_recording_never_had_is_no_fault() -> None:
    facts = Facts("none", frozenset(("front_main", "rear")), has_ego=False)
    assert facts.health("missing=left_pillar,rear;no_ego") == "missing=rear"
    assert facts.health("missing=left_pillar;no_ego") == "ok"
    assert facts.all_well == "2 of 8 cameras, fresh"


def test_a_ribbon_fades_towards_its_end() -> None:
    view = fitted(128, 96, 128, 96, fills=False)
    image = camera_image(grey_frame(), view)
    before = np.asarray(image).astype(int)
    camera = canonical_rig(128, 96).camera("front_main")
    assert camera is not None
    draw_plan(image, view, camera, straight(), None, unit=1.0)
    strength = np.abs(np.asarray(image) - before).sum(axis=2).max(axis=1)
    drawn = np.flatnonzero(strength)
    assert strength[drawn[:2]].max() < 0.5 * strength.max()


def test_a_still_and_a_gif_are_written(small_clip: Path, tmp_path: Path) -> None:
    shown = OverlayConfig(still_s=0.5, gif=True)
    config = ReplayConfig(clip=small_clip, out=tmp_path, report=False, mcap=False, max_ticks=20, overlay_config=shown)
    replay(config, show_progress=False)
    with Image.open(tmp_path / "still.png") as still, Image.open(tmp_path / "overlay.gif") as gif:
        assert still.size == (1280, 720)
        assert (gif.size, gif.n_frames) == ((800, 450), 5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("shown", "ticks", "has_overlay", "fact"),
    [
        (OverlayConfig(still_s=2.0), 72, True, "2.00 s"),
        (OverlayConfig(gif=True), 36 * 13, True, "--from"),
        (OverlayConfig(gif=True), 36, False, "--no-overlay"),
    ],
)
def test_a_picture_that_cannot_be_is_refused(shown: OverlayConfig, ticks: int, has_overlay: bool, fact: str) -> None:
    with pytest.raises(UsageError, match=fact):
        check_limits(shown, ticks, has_overlay)


def test_cameras_that_do_not_fit_are_counted() -> None:
    health = "masked=front_main,rear,left_pillar;no_ego"
    assert describe_health(health, 1) == "masked front main and 2 more; no ego motion"
    assert describe_health(health, 0) == "masked 3 cameras; no ego motion"
    assert describe_health("masked=rear", 0) == "masked rear"


def test_a_fine_patch_is_drawn_as_a_quarter_of_its_block() -> None:
    image = Image.new("RGB", (640, 480))
    view = fitted(640, 480, 640, 480, fills=False)
    draw_gaze(image, view, (640, 480), np.array([[10.5, 7.0, 0.5]]), unit=1.0)
    changed = np.argwhere(np.asarray(image).any(axis=2))
    assert changed.min(axis=0).tolist() == [7 * 32, 10 * 32 + 16]
    assert changed.max(axis=0).tolist() == [7 * 32 + 16, 11 * 32]
