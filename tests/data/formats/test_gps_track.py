"""GPS tracks beside videos: the path, speed and yaw rate of a drive of known shape, on the video's clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack
from fsd.data.open_clip import open_clip

SECOND_NS = 10**9
START = datetime(2026, 1, 2, 14, 16, 32, tzinfo=UTC)
LATITUDE_DEG, LONGITUDE_DEG = 10.5, 20.25
EAST_M_PER_DEG = 109_462.0  # at this latitude, from WGS 84: a cos(phi) / sqrt(1 - e2 sin2(phi)) per degree
NORTH_M_PER_DEG = 110_610.8
RADIUS_M, SPEED_MPS = 100.0, 10.0  # a left turn, which starts eastwards

Point = tuple[datetime, float, float, float, float]


def turn(count: int, speed_mps: float = SPEED_MPS) -> list[Point]:
    """Fixes of 1 Hz: time, latitude, longitude, speed, course."""
    points = []
    for k in range(count):
        angle = k * speed_mps / RADIUS_M
        x_m, y_m = RADIUS_M * np.sin(angle), RADIUS_M * (1 - np.cos(angle))
        place = LATITUDE_DEG + y_m / NORTH_M_PER_DEG, LONGITUDE_DEG + x_m / EAST_M_PER_DEG
        points.append((START + timedelta(seconds=k), *place, speed_mps, 90 - np.degrees(angle)))
    return points


def gpx(points: Sequence[Point], with_speed: bool = False) -> str:
    rows = [
        f'<trkpt lat="{latitude:.9f}" lon="{longitude:.9f}"><time>{time:%Y-%m-%dT%H:%M:%SZ}</time>'
        + (f"<extensions><t:speed>{speed}</t:speed></extensions>" if with_speed else "")
        + "</trkpt>"
        for time, latitude, longitude, speed, _ in points
    ]
    names = (
        'xmlns="http://www.topografix.com/GPX/1/1" xmlns:t="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"'
    )
    return f'<?xml version="1.0"?><gpx version="1.1" {names}><trk><trkseg>{"".join(rows)}</trkseg></trk></gpx>'


def sentence(body: str) -> str:
    return f"${body}*{reduce(xor, body.encode(), 0):02X}"


def rmc(point: Point, status: str = "A") -> str:
    time, latitude, longitude, speed, course = point
    parts = [f"{int(value):0{width}d}{value % 1 * 60:09.6f}" for value, width in ((latitude, 2), (longitude, 3))]
    place = f"{parts[0]},N,{parts[1]},E"
    knots = speed * 3600 / 1852
    return sentence(f"GPRMC,{time:%H%M%S}.00,{status},{place},{knots:.4f},{course % 360:.4f},{time:%d%m%y},,,A")


def write(tools: Any, path: Path, created: datetime | None = None, seconds: int = 10) -> Path:
    """A video of 5 pictures per second."""
    times = [200 * k for k in range(5 * seconds)]
    written: Path = tools.write_video(path, times, size_px=(64, 48))
    if created is not None:
        bare = written.rename(written.with_name("bare.mp4"))
        with av.open(str(bare)) as source, av.open(str(written), "w") as target:
            target.metadata["creation_time"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        bare.unlink()
    return written


def ego(clip: Clip) -> EgoTrack:
    assert clip.ego is not None
    return clip.ego


def check_turn(track: EgoTrack, first_fix_ns: int = 0) -> None:
    """The turn is there: path, heading, speed and, from the second fix on, yaw rate."""
    fix_ns = first_fix_ns + np.arange(2, 9) * SECOND_NS
    angle = np.arange(2, 9) * SPEED_MPS / RADIUS_M
    poses = track.poses_at(fix_ns)
    assert np.allclose(poses[:, 0], RADIUS_M * np.sin(angle), atol=0.05)
    assert np.allclose(poses[:, 1], RADIUS_M * (1 - np.cos(angle)), atol=0.05)
    for time_ns in (*fix_ns, *(fix_ns + 950_000_000)[:-1]):
        sample = track.sample_at(int(time_ns))
        assert sample is not None
        assert sample.speed_mps == pytest.approx(SPEED_MPS, rel=0.01)
        assert sample.yaw_rate_rps == pytest.approx(SPEED_MPS / RADIUS_M, rel=0.01)


@pytest.mark.parametrize("with_speed", [True, False])
def test_a_gpx_file_of_the_videos_name_is_ego_motion(tools: Any, tmp_path: Path, with_speed: bool) -> None:
    write(tools, tmp_path / "drive.mp4", created=START)
    (tmp_path / "drive.gpx").write_text(gpx(turn(10), with_speed), encoding="utf-8")
    for path in (tmp_path, tmp_path / "drive.mp4"):
        check_turn(ego(open_clip(path)))


def test_an_nmea_file_gives_speed_and_course(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "drive.mp4", created=START + timedelta(seconds=3))
    (tmp_path / "drive.nmea").write_text("\r\n".join(map(rmc, turn(12))), encoding="ascii")
    track = ego(open_clip(tmp_path))
    check_turn(track, first_fix_ns=-3 * SECOND_NS)  # the track began 3 s before the video
    heading_rad = track.poses_at(np.array([2 * SECOND_NS]))[0, 2]
    assert heading_rad == pytest.approx(0.5, abs=0.001)  # exact by the course; positions would give half a step less


def test_wrong_checksums_missing_fixes_and_other_sentences_are_left_out(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "drive.mp4", created=START)
    points = turn(12)
    lines = list(map(rmc, points[:10]))
    lines.insert(3, rmc(points[10], status="V"))
    lines.insert(5, rmc(points[11])[:-2] + "ZZ")
    lines.insert(6, lines[0].replace("GPRMC,1416", "GPRMC,1417"))
    lines.insert(7, sentence("GPGSV,1,1,00"))
    (tmp_path / "drive.log").write_text("\n".join(lines), encoding="ascii")
    clip = open_clip(tmp_path)
    check_turn(ego(clip))
    assert any("drive.log: 3 entries" in note for note in clip.notes)


def test_gga_alone_with_the_unix_time_of_blackvue_gives_positions(tools: Any, tmp_path: Path) -> None:
    """The stamp in the name is local, an hour ahead of UTC; the track lacks the camera's letter in its name."""
    write(tools, tmp_path / "20260102_151632_NF.mp4")
    lines = []
    for point in turn(10):
        body = rmc(point)[1:].split("*")[0].split(",")
        gga = sentence(",".join(["GPGGA", body[1], *body[3:7], "1", "08", "1.0", "5.0", "M", "0.0", "M", "", ""]))
        lines.append(f"[{int(point[0].timestamp() * 1000)}]{gga}")
    (tmp_path / "20260102_151632_N.gps").write_text("\n".join(lines), encoding="ascii")
    clip = open_clip(tmp_path)
    check_turn(ego(clip))
    assert any("UTC+1 h" in note for note in clip.notes)


def test_the_only_track_in_the_folder_counts_and_notes_hold_no_coordinates(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4")
    (tmp_path / "track.gpx").write_text(gpx(turn(10)), encoding="utf-8")
    clip = open_clip(tmp_path)
    check_turn(ego(clip))
    assert any("track.gpx" in note and "start with the video" in note for note in clip.notes)
    assert not any("10.5" in note or "20.25" in note for note in clip.notes)


def test_a_track_of_another_day_is_left_out_loudly(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START + timedelta(days=400))
    (tmp_path / "front.gpx").write_text(gpx(turn(10)), encoding="utf-8")
    clip = open_clip(tmp_path)
    assert clip.ego is None
    assert any("front.gpx is NOT USED" in note for note in clip.notes)


def test_an_empty_track_is_named(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4")
    (tmp_path / "front.nmea").touch()
    clip = open_clip(tmp_path)
    assert clip.ego is None
    assert any("front.nmea is not used" in note for note in clip.notes)


def test_two_tracks_of_other_names_are_not_guessed_between(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4")
    for name in ("a.gpx", "b.gpx"):
        (tmp_path / name).write_text(gpx(turn(10)), encoding="utf-8")
    assert open_clip(tmp_path).ego is None


@pytest.mark.parametrize("place", [0, 4])
def test_a_position_far_away_is_dropped_and_counted(tools: Any, tmp_path: Path, place: int) -> None:
    write(tools, tmp_path / "front.mp4", created=START - timedelta(seconds=1))
    points = turn(10)
    time, latitude, longitude, speed, course = points[place]
    points[place] = (time, latitude + 1, longitude, speed, course)
    (tmp_path / "front.gpx").write_text(gpx(points), encoding="utf-8")
    clip = open_clip(tmp_path)
    assert any("front.gpx: 1 positions" in note for note in clip.notes)
    assert np.nanmax(ego(clip).speed_mps) < 11
    assert np.abs(ego(clip).x_m).max() < 110


def test_standing_still_has_no_yaw_rate(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START)
    noise = np.random.default_rng(1).normal(0, 2e-6, (10, 2))  # 0.2 m
    points = [
        (START + timedelta(seconds=k), LATITUDE_DEG + noise[k, 0], LONGITUDE_DEG + noise[k, 1], 0.1, float(37 * k))
        for k in range(10)
    ]
    (tmp_path / "front.nmea").write_text("\n".join(map(rmc, points)), encoding="ascii")
    assert not ego(open_clip(tmp_path)).yaw_rate_rps.any()


def test_a_hole_in_the_track_is_unknown_speed(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START)
    points = turn(10)
    (tmp_path / "front.gpx").write_text(gpx(points[:2] + points[8:]), encoding="utf-8")
    track = ego(open_clip(tmp_path))
    assert track.sample_at(3 * SECOND_NS) is not None
    assert track.sample_at(5 * SECOND_NS) is None


@pytest.mark.parametrize(
    "text",
    ['<!DOCTYPE gpx [<!ENTITY a "b">]><gpx>&a;</gpx>', "<gpx><trk>", "<gpx></gpx>"],
    ids=["entities", "broken", "empty"],
)
def test_a_track_that_cannot_be_used_is_noted_and_the_video_opens(tools: Any, tmp_path: Path, text: str) -> None:
    write(tools, tmp_path / "front.mp4")
    (tmp_path / "front.gpx").write_text(text, encoding="utf-8")
    clip = open_clip(tmp_path)
    assert clip.ego is None
    assert any("front.gpx is not used" in note for note in clip.notes)


def test_a_text_file_without_nmea_is_no_track(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4")
    (tmp_path / "front.txt").write_text("just words", encoding="utf-8")
    assert not any("front.txt" in note for note in open_clip(tmp_path).notes)


def test_part_tracks_of_dash_cams_are_joined(tools: Any, tmp_path: Path) -> None:
    points = turn(20)
    for second, part in ((32, points[:10]), (42, points[10:])):
        write(tools, tmp_path / f"20260102_1516{second}_NF.mp4")
        (tmp_path / f"20260102_1516{second}_N.gps").write_text("\n".join(map(rmc, part)), encoding="ascii")
    track = ego(open_clip(tmp_path))
    assert track.timestamp_ns[-1] == 19 * SECOND_NS
    assert track.poses_at(np.array([15 * SECOND_NS]))[0, 0] == pytest.approx(RADIUS_M * np.sin(1.5), abs=0.05)


def test_the_rate_of_pictures_does_not_matter(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front.mp4", list(range(30)), Fraction(1, 30), size_px=(64, 48))
    (tmp_path / "front.gpx").write_text(gpx(turn(10)), encoding="utf-8")
    check_turn(ego(open_clip(tmp_path)))


def test_a_fix_with_a_wrong_date_does_not_make_rows_over_months(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "rear.mp4", START)
    points = turn(10)
    points[0] = (points[0][0] + timedelta(days=120), *points[0][1:])
    (tmp_path / "rear.gpx").write_text(gpx(points))
    track = ego(open_clip(tmp_path))
    assert len(track.timestamp_ns) < 200
    at = int(np.searchsorted(track.timestamp_ns, 5 * SECOND_NS))
    assert track.speed_mps[at] == pytest.approx(SPEED_MPS, rel=0.01)
    assert np.isnan(track.speed_mps[-2])  # nothing is known in the gap


def test_a_speed_that_no_car_reaches_is_taken_from_the_positions(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START)
    points = [(*point[:3], 1e300 if k == 4 else point[3], point[4]) for k, point in enumerate(turn(10))]
    (tmp_path / "front.gpx").write_text(gpx(points, with_speed=True), encoding="utf-8")
    check_turn(ego(open_clip(tmp_path)))


def test_a_speed_and_a_course_of_minus_one_are_unknown(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START)
    points = [(*point[:3], -1.0 if k > 2 else point[3], point[4]) for k, point in enumerate(turn(10))]
    (tmp_path / "front.gpx").write_text(gpx(points, with_speed=True), encoding="utf-8")
    check_turn(ego(open_clip(tmp_path)))


def test_a_date_beyond_the_clock_is_left_out(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front.mp4", created=START)
    (tmp_path / "front.gpx").write_text(gpx(turn(11)).replace("2026-01-02T14:16:42Z", "9999-01-02T14:16:42Z"))
    clip = open_clip(tmp_path)
    check_turn(ego(clip))
    assert any("1 entries" in note for note in clip.notes)
