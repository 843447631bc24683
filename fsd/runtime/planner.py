"""The `Planner` protocol, which replay, profile and drive run at every tick, and the values it exchanges.

It is implemented by `network_planner.py` (our network), `fsd/third_party/adapter_planner.py`, and `cross_check.py` (two
planners of which the second checks the first).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import RATE_HZ, FrameSet
from fsd.networks.contract import SIMULATOR, TensorSpec
from fsd.runtime.divergence import CrossCheckSettings, TickDivergence
from fsd.runtime.plan import Plan

UNTRAINED = "untrained: random weights, the plan means nothing"
SIMULATION_TRAINED = "simulation-trained: not a driver"


@dataclass(frozen=True)
class PlannerMetadata:
    """Facts about a planner that all results state.

    Attributes:
        name: of the model; trained: False for random weights.
        precision: `fp32`, `fp16`, `int8` …; `as given` for a third-party model that `fsd export` did not write.
        weights_sha256: of the weights file that the model was exported from; empty if unknown.
        inputs: the network's inputs by name.
        state: pairs (output, input): the output of a tick is carried into the input of later ones.
        budget: of the compressor; None for a planner without one.
        rate_hz: ticks per second.
        cross_check: how a second network checks this one; None without one.
        integer_kernels: as `onnx_session.integer_kernels` gives them.
        trained_on: what it learned from, as `ModelMetadata` or the adapter of a third-party model says.
        step_rate_hz: steps per second of a model that is slower than the ticks; None steps at every tick.
        assumed_speed_mps: at which a model without a path and a speed drives where the recording has none; None for
            other models.
        warnings: sentences about what the model's inputs rely on.
        hypotheses_mps2: as in `ModelMetadata`.
    """

    name: str
    trained: bool
    precision: str
    weights_sha256: str
    inputs: Mapping[str, TensorSpec]
    state: tuple[tuple[str, str], ...] = ()
    budget: Budget | None = None
    rate_hz: Fraction = RATE_HZ
    cross_check: CrossCheckSettings | None = None
    integer_kernels: str = "fast"
    trained_on: str = ""
    step_rate_hz: float | None = None
    assumed_speed_mps: float | None = None
    warnings: tuple[str, ...] = ()
    hypotheses_mps2: tuple[float, ...] = ()

    def caveat(self, is_simulated: bool) -> str:
        """Why its plans on a recording, real or rendered, are no driver's; empty where nothing says so."""
        return caveat(self.trained, self.trained_on, is_simulated)


def caveat(trained: bool, trained_on: str, is_simulated: bool) -> str:
    """As `PlannerMetadata.caveat`."""
    if not trained:
        return UNTRAINED
    return SIMULATION_TRAINED if trained_on == SIMULATOR and not is_simulated else ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of one tick.

    Attributes:
        plan: with its health.
        compressed: what the compressor sent, valid until the next step; None for a planner without compressor.
        odometry: source of the compressor's ego motion: `ego`, `image` (estimated) or `none`.
        input_hash, plan_hash: chains over everything that entered the network, and over all plans. Equal hashes mean
            the same bytes at this tick and at all ticks before it.
        replaced: the model's output for which the plan was replaced, or `inputs`; empty where it was not.
        compress_ms, infer_ms, post_ms: the stages in order; bind_ms is the part of `infer_ms` that copied inputs.
        cpu_ms: processor time of the calling thread in these three stages.
        divergence: of a second network on the same tick; None without one.
        plan_age_ticks: since the step of a third-party model that computed the plan; 0 for a new one, or one to stop.
        speed_source: of the speed that the path of a model without its own follows from: `recorded` or `assumed`; empty
            for other models.
    """

    frame_set: FrameSet
    plan: Plan
    compressed: CompressedTick | None
    odometry: str
    input_hash: bytes
    plan_hash: bytes
    compress_ms: float
    bind_ms: float
    infer_ms: float
    post_ms: float
    cpu_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)
    divergence: TickDivergence | None = None
    replaced: str = ""
    plan_age_ticks: int = 0
    speed_source: str = ""

    @property
    def plan_ms(self) -> float:
        """From the frame set to the plan."""
        return self.compress_ms + self.infer_ms + self.post_ms


class Planner(Protocol):
    """Plans tick by tick for one drive, with its recurrent state.

    Attributes:
        model: the model file, the first of several; models: all of them.
        metadata: facts that results state.
    """

    model: Path
    models: tuple[Path, ...]
    metadata: PlannerMetadata

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The network's inputs at the last tick, by name; recurrent ones may hold the next tick's values already."""

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The network's outputs at the last tick, by name; valid until the next step."""

    def warm_up(self, frame_set: FrameSet) -> None:
        """Compile kernels and allocate buffers for frame sets like this one, then reset."""

    def step(
        self,
        frame_set: FrameSet,
        ego: EgoSample | None = None,
        command: str = "none",
        compressed: CompressedTick | None = None,
    ) -> StepResult:
        """Plan for one tick. Ticks must come in order, without gaps.

        Args:
            compressed: what another planner's compressor made of this frame set, in place of an own one's; a planner
                without a compressor ignores it.
        """

    def rerun_last(self) -> float:
        """Bind and run the network once more on the last tick, for timing; returns the milliseconds of binding."""

    def reset(self) -> None:
        """Clear all state, as at the start of a clip."""
