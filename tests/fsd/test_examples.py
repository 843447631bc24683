"""The programs of `docs/examples` do what the documentation says of them."""

import runpy
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from fsd import compressed_inputs, open_clip
from fsd.compression.budget import BUDGETS
from fsd.data.errors import UsageError
from fsd.networks.contract import input_shapes
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
CLIP = Path(str(resources.files("fsd") / "demo_clip"))


def test_a_network_trained_on_compressed_input_replays_with_its_adapter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    example = runpy.run_path(str(EXAMPLES / "compressed_network.py"))
    example["main"](CLIP, tmp_path, ticks=12, iterations=15)
    torch.set_num_threads(threads)
    first, last = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if "loss" in line)
    assert last < first / 2
    adapted = {"model": tmp_path / "model.onnx", "adapter": tmp_path / "adapter.json", "max_ticks": 3}
    config = ReplayConfig(clip=CLIP, out=tmp_path / "out", **adapted, overlay=False, report=False, mcap=False)
    summary = replay(config, show_progress=False)
    assert (summary.status, summary.ticks, dict(summary.replaced_outputs)) == ("complete", 3, {})
    assert summary.compression is not None


def test_compressed_inputs_are_those_of_the_contract_without_state(small_clip: Path) -> None:
    for _, tensors in compressed_inputs(open_clip(small_clip), "B200", max_ticks=2):
        expected = {
            name: spec for name, spec in input_shapes(BUDGETS["B200"]).items() if not name.endswith(("_k", "_v"))
        }
        assert {name: (array.shape, str(array.dtype)) for name, array in tensors.items()} == expected
        assert tensors["ego"] == pytest.approx([10.0, 0.0], abs=0.5)
        assert np.ptp(tensors["retina"]) > 20


def test_an_unknown_budget_is_refused_with_the_known_ones(small_clip: Path) -> None:
    with pytest.raises(UsageError, match="B100"):
        next(compressed_inputs(open_clip(small_clip), "B99"))
