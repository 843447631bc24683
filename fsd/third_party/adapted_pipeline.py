"""One tick through another model: frame set -> its own inputs -> plan, with the hashes and times of `Pipeline`.

No compressor runs: the model sees whole pictures, so a tick's gaze and memory are empty.
"""

import hashlib
import time
from dataclasses import replace

import numpy as np

from fsd.compression.tick import MAX_COMMITS, MEMORY_POSE_SIZE, MEMORY_SLOTS, META_SIZE, RETINA_TOKENS, CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet
from fsd.networks.contract import output_shapes
from fsd.runtime.engine import write_stop_plan
from fsd.runtime.pipeline import HASH_BYTES, TickResult, health
from fsd.runtime.plan import Plan
from fsd.third_party.adapted_model import AdaptedModel
from fsd.third_party.adapted_plan import plan_arrays

UNKNOWN_LOGIT = -20.0


class AdaptedPipeline:
    """Replays a third-party model; `step`, `reset` and `warm_up` are those of `Pipeline`."""

    def __init__(self, engine: AdaptedModel) -> None:
        self.engine = engine
        self._empty = _empty_tick(engine.budget.patch_count)
        self.reset()

    def reset(self) -> None:
        """Forget the drive: the model's state, and the hashes."""
        self.engine.reset()
        self._input_hash = bytes(HASH_BYTES)
        self._plan_hash = bytes(HASH_BYTES)

    def warm_up(self, frame_set: FrameSet) -> None:
        """Let the runtime make its buffers, then forget."""
        self.step(frame_set)
        self.reset()

    def step(self, frame_set: FrameSet, ego: EgoSample | None = None, command: str = "none") -> TickResult:
        """Plan for one tick; ticks must come in order."""
        start_ns = time.perf_counter_ns()
        self.engine.load(frame_set, ego, command)
        loaded_ns = time.perf_counter_ns()
        self._input_hash = _chained(self._input_hash, *self.engine.feeds.values())
        hashed_ns = time.perf_counter_ns()
        answer = self.engine.run()
        inferred_ns = time.perf_counter_ns()
        outputs, source = self._contract_outputs(answer, ego)
        plan = Plan.from_outputs(frame_set.tick, frame_set.timestamp_ns, outputs, health(frame_set, ego, source))
        controls = np.array([plan.curvature_per_m, plan.acceleration_mps2])
        self._plan_hash = _chained(self._plan_hash, plan.trajectory, controls)
        done_ns = time.perf_counter_ns()
        return TickResult(
            frame_set,
            replace(self._empty, tick=frame_set.tick, timestamp_ns=frame_set.timestamp_ns),
            plan,
            self._input_hash,
            self._plan_hash,
            compress_ms=(loaded_ns - start_ns) / 1e6,
            infer_ms=(inferred_ns - hashed_ns) / 1e6,
            post_ms=(done_ns - inferred_ns + hashed_ns - loaded_ns) / 1e6,
            odometry="none" if ego is None else "ego",
        )

    def _contract_outputs(
        self, answer: dict[str, np.ndarray], ego: EgoSample | None
    ) -> tuple[dict[str, np.ndarray], str]:
        """The answer under the contract's names; a plan to stop where it is not finite."""
        outputs = {name: np.zeros(shape, dtype) for name, (shape, dtype) in output_shapes().items()}
        outputs["lead"][1] = UNKNOWN_LOGIT
        speed_mps = ego.speed_mps if ego is not None and np.isfinite(ego.speed_mps) else 0.0
        trajectory, curvature, acceleration = plan_arrays(self.engine.adapter, answer, speed_mps)
        if not (np.isfinite(trajectory).all() and np.isfinite([curvature, acceleration]).all()):
            write_stop_plan(outputs, max(speed_mps, 0.0))
            return outputs, "stop"
        outputs["trajectory"][:] = trajectory
        outputs["curvature"][:], outputs["acceleration"][:] = curvature, acceleration
        for name in ("trajectory_scale", "curvature_scale", "acceleration_scale"):
            outputs[name][:] = 1.0  # as for a plan to stop: nobody told
        return outputs, "network"


def _chained(previous: bytes, *arrays: np.ndarray) -> bytes:
    entered = hashlib.blake2b(previous, digest_size=HASH_BYTES)
    for array in arrays:
        entered.update(np.ascontiguousarray(array).data)
    return entered.digest()


def _empty_tick(patch_count: int) -> CompressedTick:
    cameras = len(CAMERAS)
    return CompressedTick(
        tick=0,
        timestamp_ns=0,
        retina=np.full((cameras, 6, 4, 4), 128, np.uint8),
        retina_meta=np.zeros((cameras, RETINA_TOKENS, META_SIZE), np.float32),
        patches=np.full((patch_count, 6, 16, 16), 128, np.uint8),
        patch_meta=np.zeros((patch_count, META_SIZE), np.float32),
        patch_camera=np.full(patch_count, -1, np.int16),
        patch_block=np.full(patch_count, -1, np.int16),
        camera_valid=np.zeros(cameras, np.float32),
        camera_age_s=np.zeros(cameras, np.float32),
        memory_pose=np.zeros((MEMORY_SLOTS, MEMORY_POSE_SIZE), np.float32),
        memory_valid=np.zeros(MEMORY_SLOTS, np.float32),
        commit_slots=np.full(MAX_COMMITS, -1, np.int16),
        is_keyframe=np.zeros(cameras, bool),
    )
