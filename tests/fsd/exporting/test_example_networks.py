"""Third-party networks of usual shapes, made tiny: run beside PyTorch, replayed, profiled, exported and proven."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from example_networks.catalogue import EXAMPLES, make  # noqa: E402
from example_networks.files import ExampleFiles, write  # noqa: E402
from example_networks.parts import TINY, Example  # noqa: E402
from example_networks.training import Drive, TrainingState, train  # noqa: E402
from fsd.data.frame_source import FrameSource  # noqa: E402
from fsd.data.open_clip import open_clip  # noqa: E402
from fsd.exporting.adapted_export import export_adapted  # noqa: E402
from fsd.exporting.config import AdaptedExportConfig  # noqa: E402
from fsd.profile.config import ProfileConfig  # noqa: E402
from fsd.profile.profile import profile  # noqa: E402
from fsd.replay.config import ReplayConfig  # noqa: E402
from fsd.replay.replay import replay  # noqa: E402
from fsd.third_party.adapter_planner import AdapterPlanner  # noqa: E402

RECURRENT = ("conv_gru", "lstm", "shift_register", "kv_cache", "two_files", "fp16")
TICKS = 12


@pytest.fixture(scope="module")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Example, ExampleFiles]]:
    """Name -> the example and its files, written once."""
    made: dict[str, tuple[Example, ExampleFiles]] = {}

    def files(name: str) -> tuple[Example, ExampleFiles]:
        if name not in made:
            example = make(name, TINY)
            made[name] = example, write(example, tmp_path_factory.mktemp(name), dynamo=False)
        return made[name]

    return files


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's threads cost more than they gain on networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """As PyTorch runs them here: FP16 as FP32."""
    made = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in made.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_the_outputs_of_pytorch_over_recurrent_steps(
    name: str, example_files: Callable[[str], tuple[Example, ExampleFiles]], small_clip: Path
) -> None:
    example, files = example_files(name)
    clip = open_clip(small_clip)
    planner = AdapterPlanner(files.models, files.adapter, rig=clip.rig)
    state = TrainingState(example.adapter, example, batch=1)
    tolerance = 0.05 if name == "fp16" else 1e-3  # rounding of FP16, and of FP32, in metres
    steps = 0
    with FrameSource(clip, max_ticks=36 if name in RECURRENT else 3) as source, torch.inference_mode():
        for frame_set in source:
            before = planner.outputs
            result = planner.step(frame_set, clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None, "left")
            if planner.outputs is before:
                continue  # the model has a rate of its own
            expected = example.run(tensors(planner.inputs) | state.values)
            state.carry(expected)
            steps += 1
            for output, array in planner.outputs.items():
                np.testing.assert_allclose(array, expected[output].numpy(), atol=tolerance, err_msg=output)
            assert not result.replaced
    assert steps == (12 if example.adapter.rate_hz else 36) if name in RECURRENT else steps


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_replayed_and_profiled(
    name: str, example_files: Callable[[str], tuple[Example, ExampleFiles]], small_clip: Path, tmp_path: Path
) -> None:
    _, files = example_files(name)
    model = {"clip": small_clip, "model": files.models, "adapter": files.adapter}
    options = {"overlay": False, "report": False, "mcap": False, "max_ticks": 6}
    replayed = replay(ReplayConfig(out=tmp_path / "replay", **model, **options), show_progress=False)
    assert (replayed.status, replayed.ticks, replayed.plan_is_finite) == ("complete", 6, True)
    assert not replayed.replaced_outputs
    scenario = {"scenarios": ("single-stream",), "ticks": 6, "warm_up": 1, "control_s": 0.0, "trace_ticks": 2}
    profiled = profile(ProfileConfig(out=tmp_path / "profile", **model, **scenario), progress=lambda line: None)
    assert profiled.scenarios["single-stream"].planned == 6
    assert profiled.operators


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_exported_and_proven_and_its_int8_file_replays_with_the_same_adapter(
    name: str, example_files: Callable[[str], tuple[Example, ExampleFiles]], small_clip: Path, tmp_path: Path
) -> None:
    _, files = example_files(name)
    config = AdaptedExportConfig(
        model=tuple(str(path) for path in files.models),
        adapter=files.adapter,
        out=tmp_path / "exported",
        exclude=("*MatMul*",) if name == "large" else (),  # rounding 100 MB of weights takes minutes
        parity_ticks=8,
        speed_rounds=2,
    )
    written = export_adapted(config, [small_clip]).exported
    assert written.report is not None
    assert written.report.passed, written.report.failures
    assert written.speed[0].over_fp32["onnx_int8"] > 0
    int8 = written.int8
    assert int8 is not None
    operators = {node.op_type for node in onnx.load(int8, load_external_data=False).graph.node}
    assert "DequantizeLinear" in operators
    planner = AdapterPlanner(int8, files.adapter, rig=open_clip(small_clip).rig)
    with FrameSource(open_clip(small_clip), max_ticks=2) as source:
        assert not any(planner.step(frame_set).replaced for frame_set in source)


def test_training_brings_the_plan_nearer_to_the_recorded_path() -> None:
    rng = np.random.default_rng(0)
    example, steps = make("surround", TINY), 80
    inputs = {name: rng.random((steps, *shape), np.float32) for name, (shape, _) in example.parts[0].inputs.items()}
    future = np.zeros((steps, 16, 4))
    future[:, :, 0] = np.arange(1, 17)
    drive = Drive(inputs, future, np.zeros(steps), np.zeros(steps, np.int64))
    assert train(example, [drive], iterations=20) > 1.1 * train(example, [drive], iterations=20)
