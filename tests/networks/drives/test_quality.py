"""Ticks that are not for learning are counted by reason; contradicting units are named."""

import numpy as np
import pytest

from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError
from fsd.networks.drives.quality import REASONS, check_units, left_out

COUNT = 90


def reasons(speed_mps: np.ndarray, modes: str | None = None, kept: str = "all", **changed: np.ndarray) -> list[str]:
    labels = {
        "trajectory": np.zeros((COUNT, 16, 4)),
        "curvature": np.zeros(COUNT),
        "timestamp_ns": np.arange(COUNT) * 111_111_111,
        "speed_mps": speed_mps,
        **changed,
    }
    parts = changed.get("parts", np.zeros(COUNT, np.int8))
    found = left_out(labels, [modes] * COUNT, parts, kept, max_standing_s=3.0)
    return [REASONS[index] if index >= 0 else "" for index in found]


def test_only_the_begin_of_a_stop_is_kept() -> None:
    speed_mps = np.full(COUNT, 10.0)
    speed_mps[20:70] = 0
    found = reasons(speed_mps)
    assert found[20:47] == [""] * 27  # three seconds at nine ticks per second
    assert found[49:70] == ["standing"] * 21
    assert found[70:] == [""] * 20


def test_reversing_and_holes_are_left_out() -> None:
    speed_mps = np.full(COUNT, 10.0)
    speed_mps[:5] = -2
    trajectory, curvature = np.zeros((COUNT, 16, 4)), np.zeros(COUNT)
    trajectory[10:12], curvature[10:12] = np.nan, np.nan
    found = reasons(speed_mps, trajectory=trajectory, curvature=curvature)
    assert found == ["reversing"] * 5 + [""] * 5 + ["telemetry hole"] * 2 + [""] * 78


@pytest.mark.parametrize(
    ("mode", "kept", "is_out"),
    [
        ("manual", "manual", False),
        ("autosteer", "manual", True),
        (None, "manual", True),
        ("cruise", "assisted", False),
        (None, "all", False),
    ],
)
def test_who_drove_decides_where_it_is_asked_for(mode: str | None, kept: str, is_out: bool) -> None:
    assert reasons(np.full(COUNT, 10.0), mode, kept) == ["driving mode" if is_out else ""] * COUNT


def circle(speed_factor: float = 1.0, rate_factor: float = 1.0) -> EgoTrack:
    t = np.arange(0, 10, 0.1)
    yaw = 0.2 * t
    return EgoTrack(
        np.rint(t * 1e9).astype(np.int64),
        np.full(len(t), 10.0 * speed_factor),
        np.full(len(t), 0.2 * rate_factor),
        50 * np.sin(yaw),
        50 * (1 - np.cos(yaw)),
        yaw,
    )


@pytest.mark.parametrize(
    ("factors", "unit"),
    [((3.6, 1.0), "km/h"), ((2.237, 1.0), "miles"), ((1.0, 57.3), "degrees"), ((1.0, -1.0), "right positive")],
)
def test_wrong_units_are_named(factors: tuple[float, float], unit: str) -> None:
    with pytest.raises(ClipError, match=unit):
        check_units(circle(*factors), "drive")


def test_right_units_pass() -> None:
    check_units(circle(), "drive")
    check_units(circle(1.1, 0.9), "drive")
