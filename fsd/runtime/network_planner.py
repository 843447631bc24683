"""Our network as a `Planner`: frame set -> compressor -> engine -> plan, with hashes and stage times.

Knows neither files nor pace: replay, profile and drive pass it frame sets and use its results.
"""

import time
from collections.abc import Mapping

import numpy as np

from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig
from fsd.networks.input_buffers import TickInput
from fsd.runtime.engine import Engine
from fsd.runtime.hash_chain import HashChain
from fsd.runtime.health import health_flags
from fsd.runtime.plan import Plan
from fsd.runtime.planner import WARM_UP_TICKS, PlannerMetadata, StepResult


class NetworkPlanner:
    """Compressor and engine of one drive; see `Planner`.

    Args:
        rig: of the clip; fixes the geometry of every token.
        engine: loaded model; the compressor uses its budget.
    """

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self.engine = engine
        self.compressor = Compressor(rig, engine.budget)
        self.model = engine.model
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
        self.compressor.reset()
        self.engine.reset()
        self._saliency: np.ndarray | None = None
        self._run = run

    def warm_up(self, frame_set: FrameSet) -> None:
        """Compile kernels and allocate buffers for frame sets like this one, then reset.

        The first use on a machine compiles the compressor's kernels, which takes up to half a minute.
        """
        for later in range(WARM_UP_TICKS):
            tick = frame_set.tick + later
            offset_ns = tick_time_ns(tick) - tick_time_ns(frame_set.tick)
            # Ticks with and without an ego sample: both kinds of odometry.
            ego = EgoSample(5.0, 0.1) if later % 2 else None
            self.step(frame_set.held(tick, frame_set.timestamp_ns + offset_ns), ego)
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
        start_ns = time.perf_counter_ns()
        if frame_set.run != self._run:
            self._start_run(frame_set.run)
        if compressed is None:
            compressed = self.compressor.step(frame_set, ego, self._saliency)
        compressed_ns = time.perf_counter_ns()
        self._last = TickInput(compressed, ego, command)
        outputs = self.engine.step(*self._last)
        inferred_ns = time.perf_counter_ns()
        self._saliency = outputs["saliency"]
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
        )
        self._plan_chain.add_plan(plan)
        done_ns = time.perf_counter_ns()
        return StepResult(
            frame_set,
            plan,
            compressed,
            self.compressor.odometry,
            self._input_chain.digest,
            self._plan_chain.digest,
            compress_ms=(compressed_ns - start_ns) / 1e6,
            bind_ms=self.engine.bind_ms,
            infer_ms=(inferred_ns - compressed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns) / 1e6,
            replaced=self.engine.replaced,
        )

    def rerun_last(self) -> float:
        """Bind and run the network once more on the last tick, for timing; returns the milliseconds of binding."""
        assert self._last is not None, "`step` comes first and leaves the tick to repeat"
        self.engine.step(*self._last)
        return self.engine.bind_ms
