from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks import onnx_session
from fsd.networks.devices import GPU_DEVICES, PROVIDERS
from fsd.networks.onnx_session import open_bound_session, open_session
from fsd.runtime import engine as engine_module
from fsd.runtime.engine import Engine
from fsd.runtime.network_binding import DeviceBinding, bind


def test_buffers_of_a_device_give_the_same_plans_and_memory_as_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_buffers(session: Any, inputs: Any, outputs: Any, device: str) -> DeviceBinding:
        return DeviceBinding(session, inputs, outputs, memory="cpu")  # ONNX Runtime's own buffers, without a GPU

    in_place = Engine()
    monkeypatch.setattr(engine_module, "bind", in_buffers)
    copied = Engine()
    for step in synthetic_steps(in_place.budget, 4, seed=1):
        expected, found = in_place.step(*step), copied.step(*step)
        assert all(np.array_equal(found[name], value) for name, value in expected.items())
    assert np.array_equal(copied.inputs["memory_k"], in_place.inputs["memory_k"])
    assert copied.inputs["memory_k"].any()


class RecordedSession:
    """Records what is bound, and what lies in the buffers of the GPU at every run."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}
        self.seen: list[np.ndarray] = []

    def io_binding(self) -> "RecordedSession":
        return self

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.bound[name] = value

    bind_ortvalue_output = bind_ortvalue_input

    def run_with_iobinding(self, binding: "RecordedSession") -> None:
        self.seen.append(self.bound["x"].numpy().copy())
        self.bound["y"].update_inplace(2 * self.bound["x"].numpy())


@pytest.mark.parametrize("device", GPU_DEVICES)
def test_a_gpu_runs_on_buffers_in_its_memory_that_never_move(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, memories = onnxruntime.OrtValue.ortvalue_from_numpy, []

    def on_gpu(array: np.ndarray, memory: str, number: int) -> onnxruntime.OrtValue:
        memories.append((memory, number))
        return place(array.copy(), "cpu", 0)  # a copy, as memory of a GPU is

    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", on_gpu)
    session: Any = RecordedSession()
    x, y = np.zeros(3, np.float32), np.zeros(3, np.float32)
    network = bind(session, {"x": x}, {"y": y}, device)
    buffers = {name: value.data_ptr() for name, value in session.bound.items()}
    for value in (1.0, 2.0):
        x[:] = value
        network.run()
        assert np.array_equal(session.seen[-1], x)
        assert np.array_equal(y, 2 * x)
    assert memories == [("cuda", 0), ("cuda", 0)]
    assert {name: value.data_ptr() for name, value in session.bound.items()} == buffers


@pytest.mark.parametrize(
    ("device", "option"), [("cuda", "enable_cuda_graph"), ("tensorrt", "trt_cuda_graph_enable"), ("cpu", None)]
)
def test_only_a_session_whose_buffers_never_move_runs_as_a_cuda_graph(
    device: str, option: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[dict[str, str]] = []

    def session(*_: Any, provider_options: list[dict[str, str]], **__: Any) -> Any:
        opened.append(provider_options[0])
        raise RuntimeError("enough")

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setattr(onnx_session, "require_model_file", lambda *_: None)
    for opens in (open_bound_session, open_session):
        with pytest.raises(onnx_session.ModelError):
            opens(tmp_path / "m.onnx", 1, device)
    assert opened == [{} if option is None else {option: "1"}, {}]
