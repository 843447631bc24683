"""Run the network: an ONNX Runtime session with its memory, without PyTorch.

Buffers for inputs, outputs and memory are allocated and bound once; a tick copies its inputs and runs. Outputs are
always finite, and plans that a vehicle could follow. The engine does not know where ticks come from or what a plan is
used for.
"""

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
from fsd.networks.onnx_session import integer_kernels, open_bound_session, session_signature
from fsd.networks.packaged import PACKAGED_MODEL, packaged_file
from fsd.runtime.network_binding import bind
from fsd.runtime.plan_limits import HeldPlan, impossible_output, is_finite

SessionFactory = Callable[[Path, int, str], onnxruntime.InferenceSession]
"""Opens a model file for a number of threads and a device, as `onnx_session.open_bound_session` does."""

STOP_DECELERATION_MPS2 = 3.0

_ALIGN = 16
"""Outputs start at multiples of this many floats (64 bytes, a cache line and a vector register)."""


class Engine:
    """Runs a model tick by tick, keeping its memory.

    Attributes:
        metadata: from the model file.
        budget: of the compressor that the model was built for.
        integer_kernels: as `onnx_session.integer_kernels` gives them.
        plan_source: where the last plan came from: `network`, `held` (the last usable one) or `stop`.
        replaced: what the last plan was replaced for: `inputs` or the name of an output that was not finite or that no
            vehicle could follow; empty where it was not.
        replaced_ticks: ticks since the last reset at which the plan was replaced.
        bind_ms: how long the last tick's inputs took to copy in.
    """

    def __init__(
        self,
        model: Path | None = None,
        threads: int = 1,
        device: str = "cpu",
        session_factory: SessionFactory = open_bound_session,
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
        self.integer_kernels = integer_kernels(self._session)
        origin = str(self.model)
        check_digest(self.model.read_bytes(), self.metadata.model_sha256, origin)
        check_tensors(origin, "input", input_shapes(self.budget), session_signature(self._session.get_inputs()))
        hypotheses = len(self.metadata.hypotheses_mps2)
        check_tensors(origin, "output", output_shapes(hypotheses), session_signature(self._session.get_outputs()))
        if device == "cpu":
            stored_tick.check(self._session, self.metadata, origin)

        self._buffers = InputBuffers(self.budget)
        self._output, self._outputs = _output_views(hypotheses)
        self._last_usable, self._last_usable_outputs = _output_views(hypotheses)
        self._held = HeldPlan()
        self._network = bind(self._session, self.inputs, self._outputs, device)
        self.bind_ms = 0.0
        self.reset()

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The network's inputs by name: the last tick's, and the memory with its commits."""
        return self._buffers.arrays

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The last tick's outputs by name; valid until the next step."""
        return self._outputs

    def step(self, tick: CompressedTick, ego: EgoSample | None = None, command: str = "none") -> dict[str, np.ndarray]:
        """Run one tick, and write the memory slots that it commits.

        Returns the contract's outputs by name: views of the engine's own buffers, valid until the next call. They are
        always finite and possible; `plan_source` says whether the network's output was replaced.

        Raises:
            ModelError: the tick was compressed to another budget than the model's, or the command is unknown.
        """
        start_ns = time.perf_counter_ns()
        self._buffers.load(TickInput(tick, ego, command))
        self.bind_ms = (time.perf_counter_ns() - start_ns) / 1e6
        # Check the inputs too: INT8 rounding can turn a NaN into a plausible plan.
        self.replaced = "" if is_finite(tick.memory_pose, tick.retina_meta, tick.patch_meta) else "inputs"
        if not self.replaced:
            self._network.run()
            self.replaced = self._unusable_output()
        self.plan_source = self._held.source(not self.replaced)
        if not self.replaced:
            np.copyto(self._last_usable, self._output)
            self._buffers.commit(tick.commit_slots, self._outputs["new_k"], self._outputs["new_v"])
        else:
            self._replace_output()
        return self._outputs

    def reset(self) -> None:
        """Clear all state, as at the start of a clip."""
        self._buffers.reset()
        self._output.fill(0)
        self._last_usable.fill(0)
        self._held.reset()
        self.plan_source, self.replaced = "network", ""
        self.replaced_ticks = 0

    def _unusable_output(self) -> str:
        """The first output that is not finite, or that no vehicle could follow, or ""."""
        if is_finite(self._output):
            return impossible_output(self._outputs)
        return next((name for name, value in self._outputs.items() if not np.isfinite(value).all()), "outputs")

    def _replace_output(self) -> None:
        """Write the last usable output while it is held, then a plan to stop; the memory stays as it is."""
        self.replaced_ticks += 1
        if self.plan_source == "held":
            np.copyto(self._output, self._last_usable)
            return
        # Without a speed, that of the first waypoint of the last usable plan; 0 if there was none.
        has_speed = bool(self.inputs["ego_valid"][0])
        speed_mps = float(self.inputs["ego"][0] if has_speed else self._last_usable_outputs["trajectory"][0, 3])
        self._output.fill(0)
        write_stop_plan(self._outputs, max(speed_mps, 0.0))


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


def _output_views(hypotheses: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One buffer for all outputs, so that it is copied and tested for NaN at once, and a view of it for each."""
    shapes, offsets, size = output_shapes(hypotheses), {}, 0
    for name, (shape, _) in shapes.items():
        offsets[name] = size
        size += -(-int(np.prod(shape)) // _ALIGN) * _ALIGN
    buffer = np.zeros(size, np.float32)
    views = {
        name: buffer[offsets[name] : offsets[name] + int(np.prod(shape))].reshape(shape)
        for name, (shape, _) in shapes.items()
    }
    return buffer, views
