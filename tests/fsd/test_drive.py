import json
from pathlib import Path

import numpy as np
import pytest

from fsd.data.errors import SimulatorError
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.drive import DriveConfig, Garage, drive
from fsd.drive_table import bootstrap, figures, paired_difference, table
from fsd.drivers import Latency, blurred

FIRST = 100_000


def test_the_same_routes_are_driven_by_every_driver(tmp_path: Path) -> None:
    config = DriveConfig(tmp_path, drivers=("expert", "straight"), scenarios=("S1",), routes=2, workers=1)
    result = drive(config)
    assert result.scores["expert"].keys() == result.scores["straight"].keys() == {("S1", FIRST), ("S1", FIRST + 1)}
    rows = json.loads((tmp_path / "routes.json").read_text())
    assert [row["driver"] for row in rows] == ["expert"] * 2 + ["straight"] * 2
    assert paired_difference(result.scores["expert"], result.scores["straight"]).mean > 0


def test_a_route_scores_the_same_twice() -> None:
    config = DriveConfig(drivers=("blind_steering",), scenarios=("S2",))
    assert Garage(config).run("blind_steering", "S2", FIRST) == Garage(config).run("blind_steering", "S2", FIRST)


def test_training_seeds_cannot_be_used_to_judge() -> None:
    with pytest.raises(SimulatorError, match="not for evaluation"):
        DriveConfig(first_seed=5)


@pytest.mark.parametrize("name", ["nobody", "network:nowhere", "expert:rear"])
def test_an_unknown_driver_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match="Choose from expert"):
        DriveConfig(drivers=(name,))


@pytest.mark.parametrize(("text", "took_ms", "ticks"), [("none", 90, 0), ("fixed:28", 0, 2), ("real", 27.0, 1)])
def test_a_plan_acts_when_it_would_have_been_ready(text: str, took_ms: float, ticks: int) -> None:
    assert Latency.parse(text).ticks(took_ms) == ticks


@pytest.mark.parametrize("text", ["fixed", "fixed:-1", "soon", "real:3"])
def test_an_odd_latency_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="fixed:MILLISECONDS"):
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
    scores = {"expert": {("S1", FIRST): Garage(config).run("expert", "S1", FIRST)}}
    assert figures(scores["expert"])["driving_score"] == pytest.approx(1.0)
    text = table(scores, ("S1", "S2"))
    assert "nan" in text.splitlines()[1]
    assert "expert" in text
