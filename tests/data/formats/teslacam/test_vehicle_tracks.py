"""Simulated drives with known truth come back as tracks: speed, yaw rate, path, commands, modes, steering."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from fsd.data.ego import EgoSample, EgoTrack
from fsd.data.formats.local_frame import LocalFrame
from fsd.data.formats.teslacam.telemetry import TelemetryRows
from fsd.data.formats.teslacam.vehicle_tracks import VehicleTracks, vehicle_tracks

SECOND_NS = 10**9
START_NS = 1_767_369_600 * SECOND_NS
RATIO, WHEELBASE_M = 13.0, 2.9  # not those that the program assumes
ORIGIN = LocalFrame(30.0, 179.9999)  # the path crosses the antimeridian


@dataclasses.dataclass(frozen=True)
class Truth:
    """What the car did at every picture: (n,), yaw left positive from east, x east, y north."""

    at_s: np.ndarray
    speed_mps: np.ndarray
    yaw_rate_rps: np.ndarray
    yaw_rad: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray


def drive(
    seconds: float,
    speed_mps: Callable[[np.ndarray], np.ndarray],
    curvature: Callable[[np.ndarray], np.ndarray],
    yaw_rad: float = 0.0,
    fine: int = 50,
) -> Truth:
    """A drive along a curvature (1/m, left positive) of time, integrated `fine` times finer than the pictures."""
    fine_s = np.arange(int(seconds * 36) * fine) / (36 * fine)
    speed, turn = speed_mps(fine_s), speed_mps(fine_s) * curvature(fine_s)
    yaw = yaw_rad + np.concatenate([[0.0], np.cumsum(turn)[:-1]]) / (36 * fine)
    step = speed * np.exp(1j * yaw) / (36 * fine)
    place = np.concatenate([[0.0], np.cumsum(step)[:-1]])
    return Truth(*(values[::fine] for values in (fine_s, speed, turn, yaw, place.real, place.imag)))


def telemetry(truth: Truth, keep: np.ndarray | None = None, **columns: np.ndarray) -> TelemetryRows:
    """The rows that a car writes on this drive; `keep` says which pictures have a message."""
    count = len(truth.at_s)
    keep = np.ones(count, bool) if keep is None else keep
    curvature = truth.yaw_rate_rps / np.where(truth.speed_mps == 0, 1, truth.speed_mps)
    east_m, north_m = ORIGIN.metres_per_degree
    longitude = ORIGIN.longitude_deg + truth.x_m / east_m
    values = {
        "timestamp_ns": np.round(truth.at_s * 10_000).astype(np.int64) * 100_000,
        "gear": np.where(truth.speed_mps < 0, 2, 1),
        "frame_sequence_number": np.arange(count),
        "speed_mps": np.abs(truth.speed_mps).astype(np.float32).astype(np.float64),
        "accelerator_pedal_position": np.zeros(count),
        "steering_wheel_angle_deg": -np.degrees(RATIO * np.arctan(WHEELBASE_M * curvature)),
        "blinker_left": np.zeros(count, bool),
        "blinker_right": np.zeros(count, bool),
        "brake_applied": np.zeros(count, bool),
        "autopilot_state": np.zeros(count, np.int64),
        "latitude_deg": ORIGIN.latitude_deg + truth.y_m / north_m,
        "longitude_deg": np.mod(longitude + 180, 360) - 180,
        "heading_deg": np.mod(90 - np.degrees(truth.yaw_rad), 360),
        "acceleration_x_mps2": np.full(count, np.nan),
        "acceleration_y_mps2": np.full(count, np.nan),
        "acceleration_z_mps2": np.full(count, np.nan),
    }
    return TelemetryRows(**{name: column[keep] for name, column in (values | columns).items()}, pictures=count)


def constant(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at_s: np.full(len(at_s), value)


def ego_of(tracks: VehicleTracks) -> EgoTrack:
    assert tracks.ego is not None
    return tracks.ego


def note_with(tracks: VehicleTracks, text: str) -> str:
    return next(note for note in tracks.notes if text in note)


def assert_near(ego: EgoTrack, truth: Truth, path_m: float, yaw_rate_rps: float) -> None:
    """Speed is exact to single precision, yaw rate and path within these limits (the latter from 0.3 s on)."""
    assert ego.timestamp_ns.tolist() == (np.round(truth.at_s * 10_000).astype(np.int64) * 100_000 + START_NS).tolist()
    assert np.allclose(ego.speed_mps, truth.speed_mps, rtol=1e-7, atol=0)
    assert np.hypot(ego.x_m - truth.x_m, ego.y_m - truth.y_m).max() < path_m
    assert np.abs(ego.yaw_rate_rps - truth.yaw_rate_rps)[11:].max() < yaw_rate_rps
    moves = np.abs(truth.speed_mps) > 0.1
    off = np.mod(ego.yaw_rad - truth.yaw_rad + np.pi, 2 * np.pi) - np.pi
    assert np.abs(off[moves]).max() < 1e-6


CIRCLE = drive(60, constant(10.0), constant(0.02), yaw_rad=1.0)
S_CURVE = drive(40, constant(15.0), lambda at_s: 0.02 * np.sin(2 * np.pi * at_s / 8), yaw_rad=np.pi / 2)
STOP_AND_REVERSE = drive(
    40,
    lambda at_s: np.interp(at_s, [0, 10, 14, 18, 20, 30, 32, 40], [12, 12, 0, 0, -2, -2, 0, 0]),
    lambda at_s: np.interp(at_s, [0, 8, 12, 20, 24, 40], [0, 0, 0.05, 0.05, -0.1, -0.1]),
)


@pytest.mark.parametrize(
    ("truth", "path_m", "yaw_rate_rps"),
    [(CIRCLE, 0.05, 1e-3), (S_CURVE, 0.05, 0.05), (STOP_AND_REVERSE, 0.05, 0.05)],
    ids=["circle", "S-curve across north", "stop and reverse"],
)
def test_a_known_drive_comes_back(truth: Truth, path_m: float, yaw_rate_rps: float) -> None:
    tracks = vehicle_tracks([(START_NS, telemetry(truth))])
    assert_near(ego_of(tracks), truth, path_m, yaw_rate_rps)
    assert (tracks.coverage, "100.0%" in note_with(tracks, "Telemetry")) == (1.0, True)
    assert "lies 0.0 m (RMS) from GPS" in note_with(tracks, "from GPS")


def test_the_yaw_rate_lags_by_half_its_window_and_uses_no_later_row() -> None:
    ego = ego_of(vehicle_tracks([(START_NS, telemetry(S_CURVE))]))
    delayed = np.interp(S_CURVE.at_s - 0.15, S_CURVE.at_s, S_CURVE.yaw_rate_rps)
    assert np.abs(ego.yaw_rate_rps - delayed)[11:].max() < 0.005
    for rows in (500, 700, 1111):
        keep = np.arange(len(S_CURVE.at_s)) < rows
        cut = ego_of(vehicle_tracks([(START_NS, telemetry(S_CURVE, keep))]))
        assert np.array_equal(cut.yaw_rate_rps, ego.yaw_rate_rps[:rows])
        assert np.array_equal(cut.speed_mps, ego.speed_mps[:rows])


def test_an_hour_across_north_stays_on_the_path() -> None:
    truth = drive(3600, constant(25.0), lambda at_s: 0.001 * np.cos(2 * np.pi * at_s / 300), np.pi / 2, fine=8)
    heading = np.mod(90 - np.degrees(truth.yaw_rad), 360)
    assert (np.abs(np.diff(heading)) > 180).sum() > 5
    tracks = vehicle_tracks([(START_NS, telemetry(truth))])
    assert_near(ego_of(tracks), truth, path_m=2.0, yaw_rate_rps=1e-3)
    assert np.abs(np.diff(ego_of(tracks).yaw_rad)).max() < 0.01


def test_reverse_gear_makes_speed_negative_and_the_path_goes_back() -> None:
    truth = drive(20, constant(-2.0), constant(0.0))
    ego = ego_of(vehicle_tracks([(START_NS, telemetry(truth))]))
    assert (ego.speed_mps == -2).all()
    assert ego.x_m[-1] == pytest.approx(-2 * truth.at_s[-1], abs=1e-3)


def test_segments_lie_at_their_own_times_and_a_shared_picture_counts_once() -> None:
    rows = telemetry(CIRCLE)
    half = {
        name: getattr(rows, name) for name in rows.__dataclass_fields__ if isinstance(getattr(rows, name), np.ndarray)
    }
    first = TelemetryRows(**{name: column[:1000] for name, column in half.items()}, pictures=1000)
    moved = half | {"timestamp_ns": half["timestamp_ns"] - 27 * SECOND_NS}
    second = TelemetryRows(**{name: column[990:] for name, column in moved.items()}, pictures=1170)
    tracks = vehicle_tracks([(START_NS + 27 * SECOND_NS, second), (START_NS, first)])
    assert_near(ego_of(tracks), CIRCLE, path_m=0.05, yaw_rate_rps=1e-3)


def test_across_a_short_hole_the_path_goes_on_and_speed_expires() -> None:
    keep = (CIRCLE.at_s < 20) | (CIRCLE.at_s > 21.5)
    tracks = vehicle_tracks([(START_NS, telemetry(CIRCLE, keep))])
    ego = ego_of(tracks)
    assert tracks.coverage == pytest.approx(keep.mean())
    assert len(ego.timestamp_ns) == keep.sum()
    assert np.hypot(ego.x_m - CIRCLE.x_m[keep], ego.y_m - CIRCLE.y_m[keep]).max() < 0.1
    assert isinstance(ego.sample_at(START_NS + 20_450_000_000), EgoSample)
    assert ego.sample_at(START_NS + 20_600_000_000) is None
    assert np.isfinite(ego.poses_at(np.array([START_NS + 20_700_000_000]))).all()


@pytest.mark.parametrize("has_gps", [True, False])
def test_in_a_long_hole_there_is_no_pose_and_the_path_goes_on_behind_it(has_gps: bool) -> None:
    truth = drive(60, lambda at_s: np.interp(at_s, [0, 22, 24, 26, 28, 60], [10, 10, 20, 20, 10, 10]), constant(0.01))
    keep = (truth.at_s < 20) | (truth.at_s > 30)
    nowhere = {} if has_gps else dict.fromkeys(("latitude_deg", "longitude_deg"), np.full(len(keep), np.nan))
    tracks = vehicle_tracks([(START_NS, telemetry(truth, keep, **nowhere))])
    ego = ego_of(tracks)
    at_ns = START_NS + np.array([19.9, 20.05, 25.0, 29.99, 30.1, 50.0]) * SECOND_NS
    poses = ego.poses_at(at_ns.astype(np.int64))
    assert np.isfinite(poses).all(axis=1).tolist() == [True, False, False, False, True, True]
    assert isinstance(ego.sample_at(START_NS + 20_300_000_000), EgoSample)
    assert ego.sample_at(START_NS + 20_600_000_000) is None
    assert ego.sample_at(START_NS + 29_999_999_999) is None
    assert "1 holes" in note_with(tracks, "holes")
    off_m = np.hypot(poses[-1, 0] - truth.x_m[1800], poses[-1, 1] - truth.y_m[1800])
    assert off_m < 0.1 if has_gps else 20 < off_m < 60  # 40 m were driven beyond constant speed
    row = int(np.searchsorted(ego.timestamp_ns, START_NS + 31 * SECOND_NS))
    assert ego.yaw_rate_rps[row] == pytest.approx(0.1, abs=1e-3)


def test_without_heading_yaw_rate_and_path_come_from_the_steering_wheel() -> None:
    unknown = {"heading_deg": np.full(len(S_CURVE.at_s), np.nan)}
    ego = ego_of(vehicle_tracks([(START_NS, telemetry(S_CURVE, **unknown))]))
    # The assumed ratio of 12 and wheelbase of 2.875 m give 9% more than the car's 13 and 2.9 m.
    assert np.abs(ego.yaw_rate_rps - S_CURVE.yaw_rate_rps).max() < 0.1 * 0.3 + 0.01
    assert np.corrcoef(ego.yaw_rate_rps, S_CURVE.yaw_rate_rps)[0, 1] > 0.99
    ahead = np.exp(1j * ego.yaw_rad) @ np.exp(-1j * S_CURVE.yaw_rad)
    assert abs(np.angle(ahead)) < 0.15  # turned into the frame of GPS


def test_heading_that_is_lost_for_a_while_is_bridged() -> None:
    heading = np.mod(90 - np.degrees(S_CURVE.yaw_rad), 360)
    heading[(S_CURVE.at_s > 10) & (S_CURVE.at_s < 16)] = np.nan
    ego = ego_of(vehicle_tracks([(START_NS, telemetry(S_CURVE, heading_deg=heading))]))
    off = np.mod(ego.yaw_rad - S_CURVE.yaw_rad + np.pi, 2 * np.pi) - np.pi
    assert np.abs(off).max() < 0.1
    assert np.hypot(ego.x_m - S_CURVE.x_m, ego.y_m - S_CURVE.y_m).max() < 6.0
    assert np.abs(ego.yaw_rate_rps - S_CURVE.yaw_rate_rps).max() < 0.06


def test_heading_noise_of_a_standing_car_turns_nothing() -> None:
    still = STOP_AND_REVERSE.speed_mps == 0
    heading = np.mod(90 - np.degrees(STOP_AND_REVERSE.yaw_rad), 360)
    noise = np.random.default_rng(1).uniform(0, 360, len(heading))
    ego = ego_of(vehicle_tracks([(START_NS, telemetry(STOP_AND_REVERSE, heading_deg=np.where(still, noise, heading)))]))
    assert np.abs(ego.yaw_rate_rps[still]).max() == 0
    assert np.hypot(ego.x_m - STOP_AND_REVERSE.x_m, ego.y_m - STOP_AND_REVERSE.y_m).max() < 0.05
    off = np.mod(ego.yaw_rad - STOP_AND_REVERSE.yaw_rad + np.pi, 2 * np.pi) - np.pi
    assert np.abs(off).max() < 0.02


def test_heading_at_5_hz_is_averaged_over_longer_and_said() -> None:
    at = np.arange(len(CIRCLE.at_s)) // 7 * 7
    tracks = vehicle_tracks(
        [(START_NS, telemetry(CIRCLE, heading_deg=np.mod(90 - np.degrees(CIRCLE.yaw_rad), 360)[at]))]
    )
    rate = ego_of(tracks).yaw_rate_rps[36:]
    assert np.abs(rate - 0.2).max() < 0.05
    assert "more seldom" in note_with(tracks, "renewed")


def test_stray_positions_are_left_out_of_the_check() -> None:
    rows = telemetry(S_CURVE)
    rows.latitude_deg[[5, 300]] += [20.0, 0.01]
    note = note_with(vehicle_tracks([(START_NS, rows)]), "from GPS")
    assert "lies 0.0 m" in note
    assert "2 stray positions" in note


def test_a_heading_from_another_north_is_seen_as_a_rotation() -> None:
    heading = np.mod(90 - np.degrees(S_CURVE.yaw_rad) + 10, 360)
    note = note_with(vehicle_tracks([(START_NS, telemetry(S_CURVE, heading_deg=heading))]), "from GPS")
    assert "rotation of 10.0 degrees" in note


def test_no_note_holds_a_coordinate() -> None:
    notes = " ".join(vehicle_tracks([(START_NS, telemetry(S_CURVE))]).notes)
    assert not any(text in notes for text in ("30.0", "179.", "180."))


@pytest.mark.parametrize(
    ("scale", "facts"),
    [
        (1.0, ("positive to the right", "in degrees", "ratio of 13.")),
        (-1.0, ("positive to the left", "in degrees")),
        (np.pi / 180, ("positive to the right", "in radians")),
        (7.0, ("positive to the right", "unit cannot be told")),
    ],
)
def test_sign_and_unit_of_steering_are_told_from_the_path(scale: float, facts: tuple[str, ...]) -> None:
    rows = telemetry(S_CURVE)
    rows = dataclasses.replace(rows, steering_wheel_angle_deg=scale * rows.steering_wheel_angle_deg)
    tracks = vehicle_tracks([(START_NS, rows)])
    note = note_with(tracks, "steering wheel angle")
    assert all(fact in note for fact in facts)
    assert "correlation 1.00" in note
    if "degrees" in facts or "radians" in facts:
        assert tracks.steering is not None
        assert np.corrcoef(tracks.steering.angle_rad, S_CURVE.yaw_rate_rps)[0, 1] > 0.9
        assert np.abs(tracks.steering.angle_rad).max() == pytest.approx(RATIO * np.arctan(0.02 * WHEELBASE_M), rel=0.01)


@pytest.mark.parametrize("curvature", [0.0, 1e-5])
def test_without_turning_nothing_is_said_about_steering(curvature: float) -> None:
    tracks = vehicle_tracks([(START_NS, telemetry(drive(30, constant(10.0), constant(curvature))))])
    assert "cannot be told" in note_with(tracks, "steering wheel angle")


def test_autopilot_states_are_driving_modes() -> None:
    state = np.repeat([0, 1, 2, 3, 7], 432)
    tracks = vehicle_tracks([(START_NS, telemetry(CIRCLE, autopilot_state=state))])
    assert tracks.modes is not None
    modes = [tracks.modes.mode_at(START_NS + at_s * SECOND_NS) for at_s in (5, 15, 30, 40, 55)]
    assert modes == ["manual", "self_driving", "autosteer", "cruise", None]


def test_blinkers_are_commands_by_speed() -> None:
    truth = drive(40, lambda at_s: np.where(at_s < 20, 10.0, 20.0), constant(0.0))
    at = truth.at_s
    flashes = np.floor(at * 3) % 2 == 0  # a lamp that is dark for a third of a second
    left = ((at >= 2) & (at < 5) & flashes) | ((at >= 30) & (at < 32)) | ((at >= 35) & (at < 37))
    right = ((at >= 8) & (at < 9)) | ((at >= 24) & (at < 26)) | ((at >= 35) & (at < 37))
    tracks = vehicle_tracks([(START_NS, telemetry(truth, blinker_left=left, blinker_right=right))])
    assert tracks.commands is not None
    assert tracks.commands.commands == (
        *("none", "left", "none", "right", "none", "lane_right", "none", "lane_left", "none"),
    )
    starts_s = (tracks.commands.timestamp_ns - START_NS) / SECOND_NS
    assert starts_s[[1, 3, 5, 7]] == pytest.approx([2, 8, 24, 30], abs=0.03)
    assert starts_s[2] == pytest.approx(5.0 + 0.7, abs=0.05)
    assert "50 km/h" in note_with(tracks, "Route commands")


def test_a_command_ends_where_the_telemetry_does() -> None:
    keep = CIRCLE.at_s < 10
    left = np.ones(len(CIRCLE.at_s), bool)
    tracks = vehicle_tracks([(START_NS, telemetry(CIRCLE, keep, blinker_left=left))])
    assert tracks.commands is not None
    assert tracks.commands.command_at(START_NS + 10_400_000_000) == "left"
    assert tracks.commands.command_at(START_NS + 10_600_000_000) == "none"


def test_a_speed_that_was_dropped_is_unknown_and_the_path_goes_on() -> None:
    rows = telemetry(CIRCLE)
    rows.speed_mps[100:105] = np.nan
    ego = ego_of(vehicle_tracks([(START_NS, rows)]))
    assert ego.sample_at(int(ego.timestamp_ns[102])) is None
    assert np.hypot(ego.x_m - CIRCLE.x_m, ego.y_m - CIRCLE.y_m).max() < 0.05


@pytest.mark.parametrize("segments", [0, 2])
def test_without_telemetry_there_are_no_tracks(segments: int) -> None:
    nothing = telemetry(CIRCLE, np.zeros(len(CIRCLE.at_s), bool))
    tracks = vehicle_tracks([(START_NS, nothing)] * segments)
    assert (tracks.ego, tracks.commands, tracks.modes, tracks.coverage) == (None, None, None, 0.0)
    assert note_with(tracks, "no telemetry")


def test_a_single_row_is_enough() -> None:
    tracks = vehicle_tracks([(START_NS, telemetry(CIRCLE, np.arange(len(CIRCLE.at_s)) == 7))])
    ego = ego_of(tracks)
    assert (len(ego.timestamp_ns), ego.speed_mps[0], ego.x_m[0]) == (1, 10.0, 0.0)
