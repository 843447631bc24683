"""A third-party model as a `Planner`: its own inputs, its own recurrent state, its own rate, one plan per tick.

Follows an `Adapter`: `observation.py` makes the inputs, `model_state.py` carries the state, and `plan_conversion.py`
makes a plan of the outputs. The compressor runs only for models that take its ticks.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from fsd.compression.budget import ALL_BUDGETS
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.contract import TensorSpec
from fsd.networks.export_record import export_record
from fsd.networks.onnx_session import open_session
from fsd.runtime.engine import SessionFactory, write_stop_plan
from fsd.runtime.gaze_loop import GazeLoop, warm_up_ticks
from fsd.runtime.hash_chain import HashChain
from fsd.runtime.health import health_flags
from fsd.runtime.options import model_paths
from fsd.runtime.plan import Plan
from fsd.runtime.plan_limits import HeldPlan, is_finite
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.third_party.adapter import check_model, load_adapter
from fsd.third_party.input_checks import fixed_signature
from fsd.third_party.model_chain import ChainedSession
from fsd.third_party.model_state import ModelState
from fsd.third_party.observation import Observer
from fsd.third_party.output_checks import outputs_read
from fsd.third_party.paths import moved_on
from fsd.third_party.plan_conversion import convert_plan, empty_outputs, needs_speed
from fsd.third_party.state_fields import state_pairs
from fsd.third_party.step_clock import StepClock


class AdapterPlanner:
    """Runs a third-party model tick by tick, with its recurrent state; see `Planner`."""

    def __init__(
        self,
        model: Path | Sequence[Path],
        adapter: Path,
        threads: int = 1,
        device: str = "cpu",
        session_factory: SessionFactory = open_session,
        rig: Rig | None = None,
        recorded: Collection[str] | None = None,
        rig_is_assumed: bool = False,
    ) -> None:
        """Load all files; several models run one after the other.

        Args:
            device: one of `devices.PROVIDERS`.
            rig: of the clip; None is a car with all cameras at their standard places.
            recorded, rig_is_assumed: as in `Observer`.

        Raises:
            ModelError: a file is missing or damaged, or the adapter does not fit the model (the field is named); the
                clip has no camera that the model sees; or the device is missing, or would leave part of the model to
                the CPU.
        """
        self.models = model_paths(model)
        self.model, self.adapter = self.models[0], load_adapter(Path(adapter))
        sessions = [session_factory(path, threads, device) for path in self.models]
        origin = f"{adapter} does not fit {' and '.join(map(str, self.models))}"
        if len(self.models) == 1 and self.adapter.links:
            origin += " alone (its `links` are between several files, or inside one that `fsd export` merged)"
        try:
            self._session = ChainedSession(sessions, self.adapter.links, [str(path) for path in self.models])
        except ModelError as error:
            raise ModelError(f"{origin}: {error}", field=error.field) from error
        check_model(self.adapter, self._session.inputs, self._session.outputs, origin)
        signature = fixed_signature(self.adapter, self._session.inputs)
        rig = rig or canonical_rig()
        self._observer = Observer(self.adapter, signature, rig, recorded=recorded, rig_is_assumed=rig_is_assumed)
        self._state = ModelState(self.adapter, signature)
        self._wanted = outputs_read(self.adapter)
        compressed = self.adapter.compressed
        budget = None if compressed is None else ALL_BUDGETS[compressed.budget]
        self._gaze_loop = None if budget is None else GazeLoop(rig, budget)
        self.metadata = PlannerMetadata(
            name=self.adapter.name,
            trained=self.adapter.trained,
            precision=_precision(sessions, self.models),
            weights_sha256="",
            inputs={name: TensorSpec(shape, dtype) for name, (shape, dtype) in signature.items()},
            state=state_pairs(self.adapter.state, self.adapter.shift_registers),
            budget=budget,
            integer_kernels=self._session.integer_kernels,
            trained_on=self.adapter.trained_on,
            step_rate_hz=self.adapter.rate_hz,
            assumed_speed_mps=self.adapter.assumed_speed_mps if needs_speed(self.adapter) else None,
            warnings=self._observer.warnings,
        )
        self._input_chain, self._plan_chain = HashChain(), HashChain()
        self._clock, self._held = StepClock(self.adapter.rate_hz), HeldPlan()
        self.reset()

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The model's inputs at its last step, by name; the recurrent ones already hold the next step's values."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The outputs that the adapter names, as the model gave them at its last step."""
        return self._outputs

    def reset(self) -> None:
        """Clear the model's state and the hashes."""
        self._outputs: dict[str, np.ndarray] = {}
        self._start_run(0)
        self._input_chain.reset()
        self._plan_chain.reset()

    def _start_run(self, run: int) -> None:
        """Clear all that is remembered from tick to tick; the hashes go on."""
        self._run_number = run
        self._observer.reset()
        self._state.reset()
        self._inputs = dict(self._state.arrays)
        self._commit_slots: np.ndarray | None = None
        self._clock.reset()
        self._held.reset()
        self._unusable, self._speed_source = "", ""
        self._usable: _UsablePlan | None = None
        if self._gaze_loop is not None:
            self._gaze_loop.reset()

    def warm_up(self, frame_set: FrameSet) -> None:
        """Let ONNX Runtime allocate its buffers, and the compressor compile its kernels, then reset."""
        if self._gaze_loop is None:
            self.step(frame_set)
        else:
            for tick in warm_up_ticks(frame_set):
                self.step(*tick)
        self.reset()

    def step(
        self,
        frame_set: FrameSet,
        ego: EgoSample | None = None,
        command: str = "none",
        compressed: CompressedTick | None = None,
    ) -> StepResult:
        """Plan for one tick. Ticks must come in order, without gaps; a new run of the recording starts anew.

        Between the steps of a model with a rate of its own, its last plan is that of a car that has followed it.

        Args:
            compressed: what another planner's compressor made of this frame set, for models that take it.
        """
        start_ns, start_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        if frame_set.run != self._run_number:
            self._start_run(frame_set.run)
        tick = None if self._gaze_loop is None else self._gaze_loop.step(frame_set, ego, compressed)
        is_due = self._clock.is_due(frame_set.tick)
        if is_due:
            self._inputs = {**self._observer.observe(frame_set, ego, command, tick), **self._state.arrays}
            self._commit_slots = None if tick is None else tick.commit_slots
            if self.metadata.assumed_speed_mps is not None:
                self._speed_source = "assumed" if _speed_mps(ego) is None else "recorded"
        loaded_ns, loaded_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        if is_due:
            self._input_chain.add(*self._inputs.values())
        hashed_ns = inferred_ns = time.perf_counter_ns()
        hashed_cpu_ns = inferred_cpu_ns = time.thread_time_ns()
        if is_due:
            # INT8 rounding can turn a NaN into a plausible plan.
            is_clean = tick is None or is_finite(tick.memory_pose, tick.retina_meta, tick.patch_meta)
            if is_clean:
                self._outputs = self._run()
            inferred_ns, inferred_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            self._unusable = self._take(frame_set, ego, command) if is_clean else "inputs"
        outputs, source, age_ticks = self._present_outputs(frame_set, ego)
        if self._gaze_loop is not None and self.adapter.outputs.saliency is not None:
            self._gaze_loop.saliency = outputs["saliency"]
        plan = Plan.from_outputs(frame_set.tick, frame_set.timestamp_ns, outputs, health_flags(frame_set, ego, source))
        self._plan_chain.add_plan(plan)
        odometry = "none" if ego is None else "ego"
        done_ns, done_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        return StepResult(
            frame_set,
            plan,
            tick,
            odometry if self._gaze_loop is None else self._gaze_loop.odometry,
            self._input_chain.digest,
            self._plan_chain.digest,
            compress_ms=(loaded_ns - start_ns) / 1e6,
            bind_ms=0.0,
            infer_ms=(inferred_ns - hashed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns + hashed_ns - loaded_ns) / 1e6,
            cpu_ms=(
                (loaded_cpu_ns - start_cpu_ns) / 1e6,
                (inferred_cpu_ns - hashed_cpu_ns) / 1e6,
                (done_cpu_ns - inferred_cpu_ns + hashed_cpu_ns - loaded_cpu_ns) / 1e6,
            ),
            replaced=self._unusable,
            plan_age_ticks=age_ticks,
            speed_source=self._speed_source,
        )

    def rerun_last(self) -> float:
        """Run the model once more on the last step's inputs; its state advances.

        Returns 0: the inputs are written where ONNX Runtime reads them, as part of the stage `compress`.
        """
        self._state.carry(self._run(), self._commit_slots)
        return 0.0

    def _run(self) -> dict[str, np.ndarray]:
        """Outputs by name."""
        return dict(
            zip(self._wanted, self._session.run(self._wanted, self._inputs, self._state.carry_within), strict=True)
        )

    def _take(self, frame_set: FrameSet, ego: EgoSample | None, command: str) -> str:
        """Keep a step's plan and state if they can be used; otherwise the output that cannot."""
        outputs, unusable = convert_plan(self.adapter, self._outputs, _speed_mps(ego), command)
        if not unusable:
            parts = self._state.carried_parts(self._outputs)
            unusable = next((name for name, part in parts if not np.isfinite(part).all()), "")
        if not unusable:
            self._usable = _UsablePlan(outputs, frame_set.tick, frame_set.timestamp_ns)
            self._state.carry(self._outputs, self._commit_slots)
        return unusable

    def _present_outputs(self, frame_set: FrameSet, ego: EgoSample | None) -> tuple[dict[str, np.ndarray], str, int]:
        """The contract's outputs for this tick, the plan's source and its age in ticks."""
        source = self._held.source(not self._unusable)
        if source != "stop":
            assert self._usable is not None, "a plan is held only after one that is usable"
            age_ticks = frame_set.tick - self._usable.tick
            return self._usable.at(frame_set.timestamp_ns), source, age_ticks
        speed_mps = _speed_mps(ego)
        if speed_mps is None:  # that of the first waypoint of the last usable plan; 0 if there was none
            speed_mps = 0.0 if self._usable is None else float(self._usable.outputs["trajectory"][0, 3])
        outputs = empty_outputs()
        write_stop_plan(outputs, max(speed_mps, 0.0))
        return outputs, source, 0


class _UsablePlan:
    """A step's outputs under the contract's names, and when it was."""

    def __init__(self, outputs: dict[str, np.ndarray], tick: int, timestamp_ns: int) -> None:
        self.outputs, self.tick, self.timestamp_ns = outputs, tick, timestamp_ns

    def at(self, timestamp_ns: int) -> dict[str, np.ndarray]:
        """The outputs with the trajectory of a car that has followed it until then."""
        if timestamp_ns == self.timestamp_ns:
            return self.outputs
        elapsed_s = (timestamp_ns - self.timestamp_ns) / 1e9
        return {**self.outputs, "trajectory": moved_on(self.outputs["trajectory"], elapsed_s)}


def _speed_mps(ego: EgoSample | None) -> float | None:
    """The recorded speed; None where it is unknown."""
    return ego.speed_mps if ego is not None and np.isfinite(ego.speed_mps) else None


def _precision(sessions: Sequence[onnxruntime.InferenceSession], models: Sequence[Path]) -> str:
    """What `fsd export` recorded in the files, in their order; `as given` where it made none of them."""
    metadata = (session.get_modelmeta().custom_metadata_map for session in sessions)
    records = [export_record(each, str(path)) for each, path in zip(metadata, models, strict=True)]
    found = dict.fromkeys("as given" if record is None else record.precision for record in records)
    return " and ".join(found)
