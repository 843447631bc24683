"""What a recording teaches at a moment: arithmetic, and what stays unknown."""

from pathlib import Path

import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError
from fsd.data.standard_rigs import canonical_rig
from fsd.data.steering import SteeringGeometry, SteeringTrack
from fsd.networks.recorded_labels import FROM_EGO, FROM_STEERING, RecordedLabels, path_labels

SECOND = 10**9
START_NS = 1_763_000_000 * SECOND
GEOMETRY = SteeringGeometry(ratio=10.0, wheelbase_m=3.0)


def circle(
    radius_m: float = 50.0, speed_mps: float = 10.0, seconds: float = 10.0, braking_mps2: float = 0.0
) -> EgoTrack:
    """A left circle whose heading passes from pi to -pi on the way."""
    time_s = np.arange(0, seconds + 1e-9, 0.01)
    speed = speed_mps - braking_mps2 * time_s
    yaw = 2.9 + (speed_mps * time_s - braking_mps2 * time_s**2 / 2) / radius_m
    wrapped = np.mod(yaw + np.pi, 2 * np.pi) - np.pi
    times_ns = START_NS + np.rint(time_s * 1e9).astype(np.int64)
    x_m, y_m = 7 + radius_m * np.sin(yaw), 3 - radius_m * np.cos(yaw)
    return EgoTrack(times_ns, speed, np.full(len(yaw), speed_mps / radius_m), x_m, y_m, wrapped)


def clip_with(ego: EgoTrack | None = None, steering: SteeringTrack | None = None) -> Clip:
    return Clip("drive", Path("drive"), "folder", canonical_rig(), True, (None,) * 8, ego=ego, steering=steering)


def test_a_circle_has_its_curvature_and_the_waypoints_that_lie_on_it() -> None:
    labels = path_labels(circle(), START_NS + SECOND)
    assert float(labels["curvature"][0]) == pytest.approx(1 / 50, rel=1e-3)
    angle = 10 * 0.25 * np.arange(1, 17) / 50
    np.testing.assert_allclose(labels["trajectory"][:, 0], 50 * np.sin(angle), atol=1e-3)
    np.testing.assert_allclose(labels["trajectory"][:, 1], 50 * (1 - np.cos(angle)), atol=1e-3)
    np.testing.assert_allclose(labels["trajectory"][:, 2], angle, atol=1e-6)
    np.testing.assert_allclose(labels["trajectory"][:, 3], 10)


def test_braking_is_a_negative_acceleration() -> None:
    labels = path_labels(circle(braking_mps2=1.0), START_NS + SECOND)
    assert float(labels["acceleration"][0]) == pytest.approx(-1.0)


def test_a_car_that_stands_has_no_curvature() -> None:
    assert np.isnan(path_labels(circle(speed_mps=0.5), START_NS)["curvature"]).all()


def test_what_lies_behind_the_end_of_the_recording_is_unknown() -> None:
    trajectory = path_labels(circle(), START_NS + 8 * SECOND)["trajectory"]
    assert np.isfinite(trajectory[:8]).all()
    assert np.isnan(trajectory[8:]).all()


def test_nothing_later_than_the_limit_is_used() -> None:
    now_ns, until_ns = START_NS + SECOND, START_NS + 2 * SECOND
    honest = circle()
    lying = EgoTrack(
        *(
            column if field == "timestamp_ns" else np.where(honest.timestamp_ns > until_ns, 1e6, column)
            for field in honest.__dataclass_fields__
            if field != "proprio"
            for column in (getattr(honest, field),)
        )
    )
    expected, found = (path_labels(track, now_ns, until_ns) for track in (honest, lying))
    assert np.isnan(found["trajectory"][4:]).all()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-9)


def test_steering_becomes_curvature_through_the_geometry() -> None:
    track = SteeringTrack(np.array([START_NS, START_NS + SECOND // 20]), np.array([0.5, -0.25]))
    labels = RecordedLabels(clip_with(steering=track), GEOMETRY)
    assert labels.curvature_from == FROM_STEERING
    assert float(labels.at(START_NS)["curvature"][0]) == pytest.approx(np.tan(0.05) / 3)
    assert float(labels.at(START_NS + SECOND // 10)["curvature"][0]) == pytest.approx(np.tan(-0.025) / 3)
    assert set(labels.at(START_NS)) == {"curvature"}


def test_a_steering_label_never_uses_a_later_angle() -> None:
    track = SteeringTrack(np.array([START_NS, START_NS + SECOND // 20]), np.array([0.5, 9.0]))
    labels = RecordedLabels(clip_with(steering=track), GEOMETRY)
    assert labels.at(START_NS + SECOND // 20 - 1) == labels.at(START_NS)


def test_the_driven_path_goes_before_the_steering_wheel() -> None:
    track = SteeringTrack(np.array([START_NS]), np.array([0.5]))
    labels = RecordedLabels(clip_with(circle(), track), GEOMETRY)
    assert labels.curvature_from == FROM_EGO
    assert float(labels.at(START_NS)["curvature"][0]) == pytest.approx(1 / 50, rel=1e-3)


def test_a_clip_without_labels_names_the_missing_files() -> None:
    with pytest.raises(ClipError, match=r"ego\.parquet.*steering_angle_rad"):
        RecordedLabels(clip_with(), GEOMETRY)
