"""Run the network: an ONNX Runtime session with its memory, without PyTorch.

Buffers for inputs, outputs and memory are allocated and bound once; a tick copies its inputs and runs. Outputs are
always finite. The engine does not know where ticks come from or what a plan is used for.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.networks import stored_tick
from fsd.networks.contract import WAYPOINT_TIMES_S, ModelMetadata, input_shapes, output_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model_digest import check_digest
from fsd.networks.model_metadata import check_tensors, from_properties
from fsd.networks.onnx_session import open_session, session_signature
from fsd.networks.packaged import packaged_file

SessionFactory = Callable[[Path, int, str], onnxruntime.InferenceSession]
"""Opens a model file for a number of threads and a device, as `onnx_session.open_session` does."""

PACKAGED_MODEL = "b100_int8.onnx"

HOLD_TICKS = 18
"""Half a second: how long the last finite plan replaces one that is not; after that, a plan to stop does."""

STOP_DECELERATION_MPS2 = 3.0

_ALIGN = 16
"""Outputs start at multiples of this many floats (64 bytes, a cache line and a vector register)."""


class Engine:
    """Runs a model tick by tick, keeping its memory.

    Attributes:
        metadata: from the model file.
        budget: of the compressor that the model was built for.
        plan_source: where the last plan came from: `network`, `held` (the last finite one) or `stop`.
        non_finite_ticks: ticks since the last reset whose inputs or outputs were not finite.
        bind_ms: how long the last tick's inputs took to copy in.
    """

    def __init__(
        self,
        model: Path | None = None,
        threads: int = 1,
        device: str = "cpu",
        session_factory: SessionFactory = open_session,
    ) -> None:
        """Load a model; None loads the packaged one. `device` is one of `devices.PROVIDERS`.

        Raises:
            ModelError: the file is missing, damaged, or does not match the contract; this CPU computes it wrongly; or
                the device is missing, or would leave part of the network to the CPU.
        """
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}.")
        self.model = packaged_model() if model is None else Path(model)
        self.device = device
        self._session = session_factory(self.model, threads, device)
        self.metadata: ModelMetadata = from_properties(
            self._session.get_modelmeta().custom_metadata_map, str(self.model)
        )
        self.budget = self.metadata.budget
        origin = str(self.model)
        check_digest(self.model.read_bytes(), self.metadata.model_sha256, origin)
        check_tensors(origin, "input", input_shapes(self.budget), session_signature(self._session.get_inputs()))
        check_tensors(origin, "output", output_shapes(), session_signature(self._session.get_outputs()))
        if device == "cpu":
            stored_tick.check(self._session, self.metadata, origin)

        self._buffers = InputBuffers(self.budget)
        self._output, self._outputs = _output_views()
        self._last_finite, self._last_finite_outputs = _output_views()
        self._binding = self._bind()
        self.bind_ms = 0.0
        self.reset()

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The network's inputs by name: the last tick's, and the memory with its commits."""
        return self._buffers.arrays

    def step(self, tick: CompressedTick, ego: EgoSample | None = None, command: str = "none") -> dict[str, np.ndarray]:
        """Run one tick, and write the memory slots that it commits.

        Returns the contract's outputs by name: views of the engine's own buffers, valid until the next call. They are
        always finite; `plan_source` says whether the network's output was replaced.

        Raises:
            ModelError: the tick was compressed to another budget than the model's, or the command is unknown.
        """
        start_ns = time.perf_counter_ns()
        self._buffers.load(TickInput(tick, ego, command))
        self.bind_ms = (time.perf_counter_ns() - start_ns) / 1e6
        # Check the inputs too: INT8 rounding can turn a NaN into a plausible plan.
        usable = _is_finite(tick.memory_pose, tick.retina_meta, tick.patch_meta)
        if usable:
            self._session.run_with_iobinding(self._binding)
        if usable and _is_finite(self._output):
            self.plan_source = "network"
            self._ticks_since_finite = 0
            np.copyto(self._last_finite, self._output)
            self._buffers.commit(tick.commit_slots, self._outputs["new_k"], self._outputs["new_v"])
        else:
            self._replace_output()
        return self._outputs

    def reset(self) -> None:
        """Clear all state, as at the start of a clip."""
        self._buffers.reset()
        self._output.fill(0)
        self._last_finite.fill(0)
        self.plan_source = "network"
        self.non_finite_ticks = 0
        self._ticks_since_finite = HOLD_TICKS

    def _replace_output(self) -> None:
        """Write the last finite output for `HOLD_TICKS`, then a plan to stop; the memory stays as it is."""
        self.non_finite_ticks += 1
        self._ticks_since_finite += 1
        if self._ticks_since_finite <= HOLD_TICKS:
            self.plan_source = "held"
            np.copyto(self._output, self._last_finite)
            return
        self.plan_source = "stop"
        # Without a speed, that of the first waypoint of the last finite plan; 0 if there was none.
        has_speed = bool(self.inputs["ego_valid"][0])
        speed_mps = float(self.inputs["ego"][0] if has_speed else self._last_finite_outputs["trajectory"][0, 3])
        self._output.fill(0)
        write_stop_plan(self._outputs, max(speed_mps, 0.0))

    def _bind(self) -> onnxruntime.IOBinding:
        """Bind every input and output to its array, which never moves."""
        binding = self._session.io_binding()
        for name, array in self.inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in self._outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding


def packaged_model() -> Path:
    """The model that ships with the package.

    Raises:
        ModelError: this installation has none.
    """
    return packaged_file(PACKAGED_MODEL, "model", "name a model with `--model`")


def write_stop_plan(outputs: dict[str, np.ndarray], speed_mps: float) -> None:
    """Write a plan straight ahead that brakes at 3 m/s² to a stop; all scales are 1."""
    braking_s = np.minimum(WAYPOINT_TIMES_S, speed_mps / STOP_DECELERATION_MPS2)
    outputs["trajectory"][:] = 0.0
    outputs["trajectory"][:, 0] = speed_mps * braking_s - 0.5 * STOP_DECELERATION_MPS2 * braking_s**2
    outputs["trajectory"][:, 3] = speed_mps - STOP_DECELERATION_MPS2 * braking_s
    outputs["curvature"][:] = 0.0
    outputs["acceleration"][:] = -STOP_DECELERATION_MPS2 if speed_mps > 0 else 0.0
    for name in ("trajectory_scale", "curvature_scale", "acceleration_scale"):
        outputs[name][:] = 1.0


def _is_finite(*arrays: np.ndarray) -> bool:
    """Whether all numbers are finite, by their sum: that takes a fifth of the time of testing each.

    These arrays hold a few thousand numbers below about 10,000, so the sum cannot overflow.
    """
    return all(math.isfinite(np.add.reduce(array, axis=None)) for array in arrays)


def _output_views() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One buffer for all outputs, so that it is copied and tested for NaN at once, and a view of it for each."""
    offsets, size = {}, 0
    for name, (shape, _) in output_shapes().items():
        offsets[name] = size
        size += -(-int(np.prod(shape)) // _ALIGN) * _ALIGN
    buffer = np.zeros(size, np.float32)
    views = {
        name: buffer[offsets[name] : offsets[name] + int(np.prod(shape))].reshape(shape)
        for name, (shape, _) in output_shapes().items()
    }
    return buffer, views
