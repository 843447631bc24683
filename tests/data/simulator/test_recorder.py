"""Recording: a native clip with pictures, calibration, ego motion and commands; clear errors where it cannot be."""

import builtins
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.errors import SimulatorError
from fsd.data.formats.teslacam.telemetry import read_telemetry
from fsd.data.formats.teslacam.teslacam_writer import HW3_CAMERAS, HW4_CAMERAS
from fsd.data.formats.teslacam.vehicle_tracks import vehicle_tracks
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.data.options import OptionError
from fsd.data.simulator.record import RecordConfig, record
from fsd.data.simulator.rendering.opengl import open_context


@pytest.fixture(scope="module")
def needs_gl() -> None:
    try:
        open_context().release()
    except SimulatorError as error:
        pytest.skip(f"no off-screen OpenGL: {error}")


@pytest.mark.gl
@pytest.mark.usefixtures("needs_gl")
def test_a_recorded_drive_is_a_complete_native_clip(tmp_path: Path) -> None:
    config = RecordConfig(tmp_path / "clip", seconds=0.25, seed=3, width_px=64, height_px=48, quality="fast")
    assert record(config) == 9
    clip = open_clip(config.out)
    assert not clip.rig_is_assumed
    assert [stream is not None for stream in clip.streams] == [True] * len(CAMERAS)
    assert clip.ego is not None
    assert clip.ego.timestamp_ns[:3].tolist() == [0, 27777778, 55555556]
    assert np.all(np.diff(np.hypot(clip.ego.x_m, clip.ego.y_m)) > 0)


@pytest.mark.gl
@pytest.mark.usefixtures("needs_gl")
def test_progress_counts_every_tick(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    config = RecordConfig(tmp_path / "clip", seconds=0.1, width_px=32, height_px=32, quality="fast")
    record(config, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.gl
@pytest.mark.usefixtures("needs_gl")
def test_an_interrupted_recording_is_a_shorter_clip(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    config = RecordConfig(tmp_path / "clip", seconds=0.5, width_px=32, height_px=32, quality="fast")
    with pytest.raises(KeyboardInterrupt):
        record(config, interrupt)
    clip = open_clip(config.out)
    assert clip.ego is not None
    assert len(clip.ego.timestamp_ns) == 2


@pytest.mark.gl
@pytest.mark.usefixtures("needs_gl")
@pytest.mark.parametrize(("hardware", "cameras"), [("hw3", HW3_CAMERAS), ("hw4", HW4_CAMERAS)])
def test_a_drive_is_recorded_as_a_tesla_would(tmp_path: Path, hardware: str, cameras: tuple[str, ...]) -> None:
    sizes = {"width_px": 64, "height_px": 46, "quality": "fast", "seed": 3}  # the chroma planes have 23 rows
    native = RecordConfig(tmp_path / "clip", seconds=0.5, **sizes)
    teslacam = RecordConfig(tmp_path / "TeslaCam", seconds=0.5, format="teslacam", cameras_like=hardware, **sizes)
    assert record(teslacam) == record(native) == 18
    ego = open_clip(native.out).ego
    assert ego is not None
    files = {path.stem: path for path in teslacam.out.glob("SavedClips/*/2026-01-02_12-00-00-*.mp4")}
    assert files.keys() == {f"2026-01-02_12-00-00-{camera}" for camera in cameras}
    for path in files.values():
        scale = 2 if hardware == "hw4" and path.stem.endswith("front") else 1
        with av.open(str(path)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (scale * 64, scale * 46)
        tracks = vehicle_tracks([(0, read_telemetry(path))])
        assert tracks.ego is not None
        assert tracks.coverage == 1.0
        assert np.abs(tracks.ego.timestamp_ns - ego.timestamp_ns).max() <= 50_000
        assert np.allclose(tracks.ego.speed_mps, ego.speed_mps, rtol=1e-6)
        assert np.allclose(tracks.ego.yaw_rad, ego.yaw_rad, atol=1e-6)
        assert np.allclose(tracks.ego.x_m, ego.x_m - ego.x_m[0], atol=0.01)
        assert np.allclose(tracks.ego.y_m, ego.y_m - ego.y_m[0], atol=0.01)


def test_sizes_are_those_of_the_car() -> None:
    assert RecordConfig(Path("clip")).size_px == (640, 480)
    assert RecordConfig(Path("clip"), format="teslacam").size_px == (1280, 960)
    assert RecordConfig(Path("clip"), format="teslacam", cameras_like="hw4").size_px == (1448, 938)
    assert RecordConfig(Path("clip"), format="teslacam", width_px=320, height_px=240).size_px == (320, 240)


def test_missing_opengl_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_moderngl(name: str, *rest: Any, **more: Any) -> Any:
        if name == "moderngl":
            raise ImportError("No module named 'moderngl'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_moderngl)
    with pytest.raises(SimulatorError, match=r"libegl1 libgl1-mesa-dri.*mesa-libEGL mesa-dri-drivers"):
        open_context()


def test_a_broken_driver_names_the_packages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl")

    def refuse(**options: Any) -> Any:
        raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(moderngl, "create_standalone_context", refuse)
    with pytest.raises(SimulatorError, match=r"libEGL.so not loaded.*apt-get install libegl1"):
        open_context()


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        ({"seconds": 0.0}, "above 0"),
        ({"seed": -1}, "at least 0"),
        ({"width_px": 641}, "641"),
        ({"width_px": 16}, "at least 32 and at most 2048"),
        ({"scenario": "moon"}, "tour"),
        ({"format": "avi"}, "native, teslacam"),
        ({"cameras_like": "hw3"}, "format teslacam"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], fact: str) -> None:
    with pytest.raises(OptionError, match=fact) as error:
        RecordConfig(Path("clip"), **settings)
    assert {error.value.name} == settings.keys()
