import json
from pathlib import Path

import numpy as np
import pytest

from fsd.data.errors import ModelError, SimulatorError
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.drive.drive import DriveConfig, DriverPool, drive
from fsd.drive.drivers import Latency, blurred
from fsd.drive.journal import DriveJournal
from fsd.drive.table import bootstrap, paired_difference, route_metrics, table
from fsd.outputs.drive_summary import DriveSummary
from fsd.outputs.summary_file import load_summary

FIRST = 100_000


def test_the_same_routes_are_driven_by_every_driver(tmp_path: Path) -> None:
    config = DriveConfig(tmp_path, drivers=("expert", "straight"), scenarios=("S1",), routes=2, workers=1)
    result = drive(config)
    assert result.scores["expert"].keys() == result.scores["straight"].keys() == {("S1", FIRST), ("S1", FIRST + 1)}
    rows = json.loads((tmp_path / "routes.json").read_text())
    assert [row["driver"] for row in rows] == ["expert"] * 2 + ["straight"] * 2
    summary = load_summary(tmp_path / "summary.json", DriveSummary)
    assert summary.drivers["expert"] == route_metrics(result.scores["expert"])
    assert summary.drivers["expert"].routes == 2
    assert paired_difference(result.scores["expert"], result.scores["straight"]).mean > 0


def test_a_drive_that_broke_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    config = DriveConfig(tmp_path, drivers=("expert", "straight"), scenarios=("S1",), routes=2, workers=1)

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(config, interrupt)
    broken = load_summary(tmp_path / "summary.json", DriveSummary)
    assert broken.status == "interrupted"
    assert {name: metrics.routes for name, metrics in broken.drivers.items()} == {"expert": 2, "straight": 1}
    counts: list[tuple[int, int]] = []
    whole = drive(config, lambda done, total: counts.append((done, total)))
    assert counts == [(4, 4)]
    assert load_summary(tmp_path / "summary.json", DriveSummary).status == "complete"
    assert drive(config, lambda done, total: counts.append((done, total))).scores == whole.scores
    assert counts == [(4, 4)]  # nothing was lost, and nothing is driven again


def test_routes_of_another_model_do_not_count(tmp_path: Path) -> None:
    score = DriverPool(DriveConfig(drivers=("expert",), scenarios=("S1",))).run("expert", "S1", FIRST)
    path = tmp_path / "routes.jsonl"
    DriveJournal(path, {"network": {"model": "a"}}).append(("network", "S1", FIRST), score)
    assert DriveJournal(path, {"network": {"model": "a"}}).done == {("network", "S1", FIRST): score}
    assert DriveJournal(path, {"network": {"model": "b"}}).done == {}
    with path.open("a") as file:
        file.write('{"driver": "network", "scen')  # the disk was full, or the run was killed
    DriveJournal(path, {"network": {"model": "a"}}).append(("network", "S2", FIRST), score)
    done = {("network", "S1", FIRST): score, ("network", "S2", FIRST): score}
    assert DriveJournal(path, {"network": {"model": "a"}}).done == done


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"other\.onnx"):
        drive(DriveConfig(tmp_path, drivers=(f"other={tmp_path}/other.onnx",), scenarios=("S1",), routes=1))


def test_a_route_scores_the_same_twice() -> None:
    config = DriveConfig(drivers=("blind_steering",), scenarios=("S2",))
    assert DriverPool(config).run("blind_steering", "S2", FIRST) == DriverPool(config).run(
        "blind_steering", "S2", FIRST
    )


def test_training_seeds_cannot_be_used_to_judge() -> None:
    with pytest.raises(SimulatorError, match="5"):
        DriveConfig(first_seed=5)


@pytest.mark.parametrize("name", ["nobody", "network:nowhere", "expert:rear"])
def test_an_unknown_driver_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DriveConfig(drivers=(name,))


@pytest.mark.parametrize(("text", "took_ms", "ticks"), [("none", 90, 0), ("fixed:28", 0, 2), ("real", 27.0, 1)])
def test_a_plan_acts_when_it_would_have_been_ready(text: str, took_ms: float, ticks: int) -> None:
    assert Latency.parse(text).ticks(took_ms) == ticks


@pytest.mark.parametrize("text", ["fixed", "fixed:-1", "soon", "real:3"])
def test_an_odd_latency_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Latency.parse(text)


def test_blurring_keeps_only_a_coarse_mosaic() -> None:
    rng = np.random.default_rng(0)
    y, uv = rng.integers(0, 255, (240, 320), np.uint8), rng.integers(0, 255, (120, 160), np.uint8)
    frames = (Frame(y, uv, uv, 0, 0), *(None for _ in CAMERAS[1:]))
    frame_set = FrameSet(0, 0, frames, np.zeros(8, np.int64), np.ones(8, bool), np.ones(8, bool))
    frame = blurred(frame_set).frames[0]
    assert frame is not None
    assert frame.y_plane.shape == y.shape
    assert len(np.unique(frame.y_plane[:32, :32])) == 1
    assert frame.y_plane.std() < 0.1 * y.std()


def test_an_interval_holds_its_mean() -> None:
    interval = bootstrap([0.0, 1.0, 1.0, 0.5])
    assert interval.low <= interval.mean <= interval.high
    assert interval.mean == pytest.approx(0.625)


def test_the_table_has_a_line_a_driver() -> None:
    config = DriveConfig(drivers=("expert",), scenarios=("S1",))
    scores = {"expert": {("S1", FIRST): DriverPool(config).run("expert", "S1", FIRST)}}
    assert route_metrics(scores["expert"]).driving_score == pytest.approx(1.0)
    text = table(scores, ("S1", "S2"))
    assert "nan" in text.splitlines()[1]
    assert "expert" in text


def test_a_named_model_drives_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "other.onnx"
    model.write_bytes(b"a model")
    monkeypatch.setattr("fsd.drive.drive.NetworkDriver", lambda rig, models, adapter, **options: models)
    pool = DriverPool(DriveConfig(drivers=("network", f"other={model}"), scenarios=("S1",)))
    assert [pool.network("network"), pool.network("other")] == [(), (model,)]
