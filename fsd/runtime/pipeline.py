"""One tick through the whole path: frame set -> compressor -> network -> plan, with hashes and stage times.

Knows neither files nor pace: replay, profile and drive feed it frame sets and take its results.
"""

import hashlib
import time
from dataclasses import dataclass

import numpy as np

from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.rig import Rig
from fsd.runtime.engine import Engine
from fsd.runtime.plan import Plan

HASH_BYTES = 16
WARM_UP_TICKS = 14
"""More than the compressor's oldest reference (9 ticks), so that comparing with it is warm too."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """Everything one tick gave.

    `input_hash` chains over what entered the network, `plan_hash` over what came out: equal hashes at a tick mean that
    this tick and all before it were the same bytes. `compressed` is valid until the next step. `odometry` is where
    the tick's motion came from: "ego", "image" (estimated) or "none".
    """

    frame_set: FrameSet
    compressed: CompressedTick
    plan: Plan
    input_hash: bytes
    plan_hash: bytes
    compress_ms: float
    infer_ms: float
    post_ms: float
    odometry: str


class Pipeline:
    """Compressor and engine of one drive, with their recurrent state.

    Args:
        rig: of the clip; fixes the geometry of every token.
        engine: loaded model; its budget decides what the compressor sends.
    """

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self.engine = engine
        self.compressor = Compressor(rig, engine.budget)
        self.reset()

    def reset(self) -> None:
        """Forget the drive: memory, references, hashes."""
        self.compressor.reset()
        self.engine.reset()
        self._saliency: np.ndarray | None = None
        self._input_hash = bytes(HASH_BYTES)
        self._plan_hash = bytes(HASH_BYTES)

    def warm_up(self, frame_set: FrameSet) -> None:
        """Compile and touch everything that a tick needs, then forget it; frame sets like this one will follow.

        The compressor's kernels are compiled at their first use on a machine: up to half a minute that is no latency.
        """
        for later in range(WARM_UP_TICKS):
            tick = frame_set.tick + later
            offset_ns = tick_time_ns(tick) - tick_time_ns(frame_set.tick)
            # An ego sample and a later one without: both kinds of odometry.
            ego = EgoSample(5.0, 0.1) if later % 2 else None
            self.step(frame_set.held(tick, frame_set.timestamp_ns + offset_ns), ego)
        self.reset()

    def step(self, frame_set: FrameSet, ego: EgoSample | None = None, command: str = "none") -> TickResult:
        """Plan for one tick. Ticks must come in order; the recurrent state assumes that they are consecutive."""
        start_ns = time.perf_counter_ns()
        compressed = self.compressor.step(frame_set, ego, self._saliency)
        compressed_ns = time.perf_counter_ns()
        outputs = self.engine.step(compressed, ego, command)
        inferred_ns = time.perf_counter_ns()
        self._saliency = outputs["saliency"]
        plan = Plan.from_outputs(
            frame_set.tick, frame_set.timestamp_ns, outputs, health(frame_set, ego, self.engine.plan_source)
        )
        self._chain(compressed, plan)
        done_ns = time.perf_counter_ns()
        return TickResult(
            frame_set,
            compressed,
            plan,
            self._input_hash,
            self._plan_hash,
            compress_ms=(compressed_ns - start_ns) / 1e6,
            infer_ms=(inferred_ns - compressed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns) / 1e6,
            odometry=self.compressor.odometry,
        )

    def _chain(self, compressed: CompressedTick, plan: Plan) -> None:
        entered = hashlib.blake2b(self._input_hash, digest_size=HASH_BYTES)
        for array in (
            compressed.retina,
            compressed.patches,
            compressed.patch_camera,
            compressed.patch_block,
            compressed.camera_valid,
            compressed.memory_valid,
            compressed.commit_slots,
        ):
            entered.update(array.data)
        self._input_hash = entered.digest()
        left = hashlib.blake2b(self._plan_hash, digest_size=HASH_BYTES)
        left.update(plan.trajectory.data)
        left.update(np.array([plan.curvature_per_m, plan.acceleration_mps2]).data)
        self._plan_hash = left.digest()


def health(frame_set: FrameSet, ego: EgoSample | None, plan_source: str) -> str:
    """What a plan was based on, in the words of `Plan.health`."""
    causes: dict[str, list[str]] = {"missing": [], "stale": [], "black": []}
    for name, frame, is_valid in zip(CAMERAS, frame_set.frames, frame_set.is_valid, strict=True):
        if frame is None:
            causes["missing"].append(name)
        elif frame.is_black:
            causes["black"].append(name)
        elif not is_valid:
            causes["stale"].append(name)
    words = [f"{cause}={','.join(names)}" for cause, names in causes.items() if names]
    if ego is None:
        words.append("no_ego")
    if plan_source != "network":
        words.append(f"plan={plan_source}")
    return ";".join(words) or "ok"
