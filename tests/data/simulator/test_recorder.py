"""Recording: a native clip with pictures, calibration, ego motion and commands; clear errors where it cannot be."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import SimulatorError
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
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], fact: str) -> None:
    with pytest.raises(OptionError, match=fact) as error:
        RecordConfig(Path("clip"), **settings)
    assert {error.value.name} == settings.keys()
