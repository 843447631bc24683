"""A third-party ONNX model as a `Planner`: its own image size and colours, its own recurrent state, one plan per tick.

Follows an `Adapter`. No compressor runs: the model receives whole images. `plan_conversion.py` makes a plan of its
outputs.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.camera_names import canonical_name
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.planes import picture_of
from fsd.networks.contract import TensorSpec, output_shapes
from fsd.networks.onnx_session import SESSION_ERRORS, integer_kernels, open_session, session_signature
from fsd.runtime.engine import SessionFactory, write_stop_plan
from fsd.runtime.hash_chain import HashChain
from fsd.runtime.health import health_flags
from fsd.runtime.plan import Plan
from fsd.runtime.plan_limits import HeldPlan, impossible_output
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.third_party.adapter import check_model, load_adapter, outputs_used
from fsd.third_party.input_fields import ImageInput
from fsd.third_party.plan_conversion import plan_arrays, source_of

MID_GREY = 128
UNKNOWN_LOGIT = -20.0


class AdapterPlanner:
    """Runs a third-party model tick by tick, with its recurrent state; see `Planner`."""

    def __init__(
        self,
        model: Path,
        adapter: Path,
        threads: int = 1,
        device: str = "cpu",
        session_factory: SessionFactory = open_session,
    ) -> None:
        """Load both files; `device` is one of `devices.PROVIDERS`.

        Raises:
            ModelError: a file is missing or damaged, or the adapter does not fit the model (the field is named); or
                the device is missing, or would leave part of the model to the CPU.
        """
        self.model, self.adapter = Path(model), load_adapter(Path(adapter))
        self._session = session_factory(self.model, threads, device)
        self._signature = session_signature(self._session.get_inputs())
        outputs = session_signature(self._session.get_outputs())
        check_model(self.adapter, self._signature, outputs, f"{adapter} does not fit {model}")
        waypoints = self.adapter.outputs.waypoints
        # Of the other outputs, one number is used each.
        self._whole = [*([waypoints.name] if waypoints else []), *(pair.output for pair in self.adapter.state)]
        self._wanted = [name for name in outputs if name in outputs_used(self.adapter)]
        self.metadata = PlannerMetadata(
            name=self.adapter.name,
            trained=self.adapter.trained,
            precision="as given",
            weights_sha256="",
            inputs={name: TensorSpec(shape, dtype) for name, (shape, dtype) in self._signature.items()},
            state=tuple((pair.output, pair.input) for pair in self.adapter.state),
            integer_kernels=integer_kernels(self._session),
        )
        self._input_chain, self._plan_chain = HashChain(), HashChain()
        self._held = HeldPlan()
        self.reset()

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The model's inputs at the last tick, by name; the recurrent ones already hold the next tick's values."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The outputs that the adapter names, as the model gave them at the last tick."""
        return self._outputs

    def reset(self) -> None:
        """Clear the model's state and the hashes."""
        self._inputs = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._signature.items()}
        self._outputs: dict[str, np.ndarray] = {}
        self._recording_run = 0
        self._start_plans()
        self._input_chain.reset()
        self._plan_chain.reset()

    def _start_plans(self) -> None:
        self._held.reset()
        self._last_usable: dict[str, np.ndarray] = {}

    def warm_up(self, frame_set: FrameSet) -> None:
        """Let ONNX Runtime allocate its buffers, then reset."""
        self.step(frame_set)
        self.reset()

    def step(
        self,
        frame_set: FrameSet,
        ego: EgoSample | None = None,
        command: str = "none",
        compressed: CompressedTick | None = None,
    ) -> StepResult:
        """Plan for one tick. Ticks must come in order, without gaps; a new run of the recording starts anew.

        The model receives whole images, so `compressed` is ignored.
        """
        start_ns = time.perf_counter_ns()
        if frame_set.run != self._recording_run:
            self._recording_run = frame_set.run
            for array in self._inputs.values():
                array.fill(0)
            self._start_plans()
        self._load(frame_set, ego, command)
        loaded_ns = time.perf_counter_ns()
        self._input_chain.add(*self._inputs.values())
        hashed_ns = time.perf_counter_ns()
        raw = self._outputs = self._run()
        inferred_ns = time.perf_counter_ns()
        outputs, source, replaced = self._contract_outputs(raw, ego)
        if not replaced:
            self._carry_state(raw)
        plan = Plan.from_outputs(frame_set.tick, frame_set.timestamp_ns, outputs, health_flags(frame_set, ego, source))
        self._plan_chain.add_plan(plan)
        done_ns = time.perf_counter_ns()
        return StepResult(
            frame_set,
            plan,
            None,
            "none" if ego is None else "ego",
            self._input_chain.digest,
            self._plan_chain.digest,
            compress_ms=(loaded_ns - start_ns) / 1e6,
            bind_ms=0.0,
            infer_ms=(inferred_ns - hashed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns + hashed_ns - loaded_ns) / 1e6,
            replaced=replaced,
        )

    def rerun_last(self) -> float:
        """Run the model once more on the last tick's images; its state advances.

        Returns 0: `_load` writes the inputs where ONNX Runtime reads them, as part of the stage `compress`.
        """
        self._carry_state(self._run())
        return 0.0

    def _load(self, frame_set: FrameSet, ego: EgoSample | None, command: str) -> None:
        """Write one tick's images, motion and command into the inputs."""
        for image in self.adapter.images:
            index = CAMERAS.index(canonical_name(image.camera) or "")
            frame = frame_set.frames[index] if frame_set.is_valid[index] else None
            target = self._inputs[image.name]
            target[...] = image_values(image, frame).reshape(target.shape)
        for entry in self.adapter.ego:
            values = [0.0 if ego is None else getattr(ego, quantity, 0.0) for quantity in entry.quantities]
            target = self._inputs[entry.name]
            target[...] = (np.nan_to_num(np.array(values)) * np.array(entry.scale)).reshape(target.shape)
        for choice in self.adapter.commands:
            target = self._inputs[choice.name]
            target[...] = np.array(choice.values.get(command, choice.values["none"])).reshape(target.shape)

    def _run(self) -> dict[str, np.ndarray]:
        """Outputs by name.

        Raises:
            ModelError: an operator fails, such as one whose inputs do not fit each other.
        """
        try:
            return dict(zip(self._wanted, self._session.run(self._wanted, self._inputs), strict=True))
        except SESSION_ERRORS as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(f"{self.model} cannot be run: {reason} Export or copy it again.") from error

    def _carry_state(self, raw: dict[str, np.ndarray]) -> None:
        """Make the recurrent outputs inputs."""
        for pair in self.adapter.state:
            self._inputs[pair.input][...] = raw[pair.output]

    def _contract_outputs(
        self, raw: dict[str, np.ndarray], ego: EgoSample | None
    ) -> tuple[dict[str, np.ndarray], str, str]:
        """Outputs under the contract's names, the plan's source, and the model's output that cannot be used, or ""."""
        outputs = {name: np.zeros(shape, dtype) for name, (shape, dtype) in output_shapes().items()}
        outputs["lead"][1] = UNKNOWN_LOGIT
        for name in ("trajectory_scale", "curvature_scale", "acceleration_scale"):
            outputs[name][:] = 1.0  # unknown, as in a plan to stop
        speed_mps = ego.speed_mps if ego is not None and np.isfinite(ego.speed_mps) else 0.0
        replaced = next((name for name in self._whole if not np.isfinite(raw[name]).all()), "")
        if not replaced:
            with np.errstate(over="ignore", invalid="ignore"):  # absurd numbers, which are found below
                trajectory, outputs["curvature"][:], outputs["acceleration"][:] = plan_arrays(
                    self.adapter, raw, speed_mps
                )
            outputs["trajectory"][:] = trajectory
            if wrong := impossible_output(outputs):
                replaced = source_of(self.adapter, wrong)
        source = self._held.source(not replaced)
        if source == "network":
            self._last_usable = outputs
        elif source == "held":
            outputs = self._last_usable
        else:
            write_stop_plan(outputs, max(speed_mps, 0.0))
        return outputs, source, replaced


def image_values(image: ImageInput, frame: Frame | None) -> np.ndarray:
    """A frame in the model's size, colours and layout, without its batch axis; mid grey where there is none."""
    shape = (image.height_px, image.width_px, 1 if image.colour == "gray" else 3)
    pixels: np.ndarray
    if frame is None:
        pixels = np.full(shape, MID_GREY, np.uint8)
    else:
        pixel_format = {"rgb": "rgb24", "bgr": "bgr24", "gray": "gray"}[image.colour]
        shown = picture_of(frame).reformat(width=image.width_px, height=image.height_px, format=pixel_format)
        pixels = shown.to_ndarray().reshape(shape)
    values = (
        pixels.astype(np.float32) * (1 / 255 if image.scale is None else image.scale) - np.array(image.mean)
    ) / np.array(image.std)
    return values if image.layout.endswith("hwc") else values.transpose(2, 0, 1)
