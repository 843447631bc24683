"""Our network as a `Planner`: frame set -> compressor -> engine -> plan, with hashes and stage times.

Knows neither files nor pace: replay, profile and drive pass it frame sets and use its results.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig
from fsd.networks.input_buffers import TickInput
from fsd.runtime.engine import Engine
from fsd.runtime.gaze_loop import GazeLoop, warm_up_ticks
from fsd.runtime.hash_chain import HashChain
from fsd.runtime.health import health_flags
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult


class NetworkPlanner:
    """Compressor and engine of one drive; see `Planner`.

    Args:
        rig: of the clip; fixes the geometry of every token.
        engine: loaded model; the compressor uses its budget.
    """

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self.engine = engine
        self._gaze_loop = GazeLoop(rig, engine.budget)
        self.model = engine.model
        self.models: tuple[Path, ...] = (engine.model,)
        about = engine.metadata
        self.metadata = PlannerMetadata(
            about.name,
            about.trained,
            about.precision,
            about.weights_sha256,
            about.inputs,
            about.state,
            engine.budget,
            integer_kernels=engine.integer_kernels,
            trained_on=about.trained_on,
            hypotheses_mps2=about.hypotheses_mps2,
        )
        self._input_chain, self._plan_chain = HashChain(), HashChain()
        self.reset()

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The network's inputs at the last tick, by name."""
        return self.engine.inputs

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The network's outputs at the last tick, by name; valid until the next step."""
        return self.engine.outputs

    def reset(self) -> None:
        """Clear memory, references and hashes."""
        self._start_run(0)
        self._last: TickInput | None = None
        self._input_chain.reset()
        self._plan_chain.reset()

    def _start_run(self, run: int) -> None:
        """Clear memory and references; the hashes go on."""
        self._gaze_loop.reset()
        self.engine.reset()
        self._run = run

    def warm_up(self, frame_set: FrameSet) -> None:
        """Compile kernels and allocate buffers for frame sets like this one, then reset."""
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

        Args:
            compressed: what another planner's compressor made of this frame set; None runs the own one.
        """
        start_ns, start_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        if frame_set.run != self._run:
            self._start_run(frame_set.run)
        compressed = self._gaze_loop.step(frame_set, ego, compressed)
        compressed_ns, compressed_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        self._last = TickInput(compressed, ego, command)
        outputs = self.engine.step(*self._last)
        inferred_ns, inferred_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        self._gaze_loop.saliency = outputs["saliency"]
        plan = Plan.from_outputs(
            frame_set.tick, frame_set.timestamp_ns, outputs, health_flags(frame_set, ego, self.engine.plan_source)
        )
        self._input_chain.add(
            compressed.retina,
            compressed.patches,
            compressed.patch_camera,
            compressed.patch_block,
            compressed.camera_valid,
            compressed.memory_valid,
            compressed.commit_slots,
            *compressed.of_fovea,
        )
        self._plan_chain.add_plan(plan)
        done_ns, done_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        return StepResult(
            frame_set,
            plan,
            compressed,
            self._gaze_loop.odometry,
            self._input_chain.digest,
            self._plan_chain.digest,
            compress_ms=(compressed_ns - start_ns) / 1e6,
            bind_ms=self.engine.bind_ms,
            infer_ms=(inferred_ns - compressed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns) / 1e6,
            cpu_ms=(
                (compressed_cpu_ns - start_cpu_ns) / 1e6,
                (inferred_cpu_ns - compressed_cpu_ns) / 1e6,
                (done_cpu_ns - inferred_cpu_ns) / 1e6,
            ),
            replaced=self.engine.replaced,
        )

    def rerun_last(self) -> float:
        """Bind and run the network once more on the last tick, for timing; returns the milliseconds of binding."""
        assert self._last is not None, "`step` comes first and leaves the tick to repeat"
        self.engine.step(*self._last)
        return self.engine.bind_ms
