"""A replay with a network that has a fovea and hypotheses: tables, report and viewer file."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.weights import save_weights, untrained
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.runtime.hypotheses import GROUPS_MPS2, group_probabilities
from tests.fsd._pages import checked
from tests.networks._tiny import TINY_FOVEATED

TICKS = 20


@pytest.fixture(scope="module")
def replayed(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foveated")
    save_weights(untrained(TINY_FOVEATED), folder / "weights.safetensors", trained=True)
    config = ExportConfig(weights=folder / "weights.safetensors", out=folder, int8=False, parity_ticks=0)
    model = export(config, clips=[list(synthetic_steps(TINY_FOVEATED.budget, 1))]).fp32
    out = folder / "out"
    replay(ReplayConfig(clip=small_clip, out=out, model=model, max_ticks=TICKS), show_progress=False)
    return out


def test_the_plan_has_the_probabilities_and_speeds_of_every_hypothesis(replayed: Path) -> None:
    plan = pq.read_table(replayed / "plan.parquet")
    probability = np.array(plan["hypothesis"].to_pylist())
    accelerations = json.loads((replayed / "summary.json").read_text())["model"]["hypotheses_mps2"]
    assert probability.shape == (TICKS, len(accelerations))
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-5)
    speeds = np.array(plan["hypothesis_speed_mps"].to_pylist()).reshape(TICKS, len(accelerations), 17)
    assert (speeds[:, 0, 4] < speeds[:, -1, 4]).all()  # the first brakes hardest, the last starts
    text = (Path(__file__).resolve().parents[3] / "docs" / "outputs.md").read_text()
    assert all(f"`{name}`" in text for name in plan.column_names)


def test_pictures_too_small_for_fine_patches_have_whole_blocks_only(replayed: Path) -> None:
    quarter = np.array(pq.read_table(replayed / "ticks.parquet")["patch_quarter"].to_pylist())
    assert quarter.shape == (TICKS, TINY_FOVEATED.budget.patch_slots)
    assert (quarter == -1).all()


def test_the_report_shows_the_hypotheses_beside_the_acceleration(replayed: Path) -> None:
    page = checked(replayed / "report.html")
    assert "What the network considered" in page.headings
    assert all(name.replace("_", " ") in page.text for name in GROUPS_MPS2)


def test_the_viewer_file_has_the_groups(replayed: Path) -> None:
    reader = pytest.importorskip("mcap.reader")
    with (replayed / "drive.mcap").open("rb") as file:
        messages = [json.loads(each.data) for _, _, each in reader.make_reader(file).iter_messages("/hypotheses")]
    assert len(messages) == TICKS
    assert all(list(each) == list(GROUPS_MPS2) and sum(each.values()) == pytest.approx(1) for each in messages)
    layout = json.loads((replayed / "drive_layout.json").read_text())
    assert "Plot!hypotheses" in layout["configById"]


def test_each_hypothesis_is_in_the_group_of_its_acceleration() -> None:
    found = group_probabilities(np.array([0.1, 0.2, 0.3, 0.4]), [-6.0, -2.0, -0.5, 0.5])
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"hard_braking": 0.1, "braking": 0.2, "holding": 0.3, "accelerating": 0.4}
    )
