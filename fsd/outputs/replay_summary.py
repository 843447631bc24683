"""`summary.json` of `fsd replay`; docs/outputs.md describes the fields for people."""

import msgspec

from fsd.meters.machine import MachineInfo
from fsd.meters.machine_load import MachineLoad
from fsd.meters.quantity import Quantity
from fsd.outputs.budget_metrics import BudgetMetrics
from fsd.outputs.cross_check_summary import CrossCheckSummary
from fsd.outputs.run_info import ModelInfo, RecordingRun, TimePercentiles

Scores = dict[str, float | int]
"""Plan errors and tick counts by the names of docs/metrics.md; one that no tick supports is left out."""


class ReplayDeadline(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks whose plan took longer than `tick_ms`, of all `ticks`; `definition` says what is counted."""

    tick_ms: float
    ticks_over: int
    ticks: int
    definition: str


class ReplayCompression(BudgetMetrics, frozen=True, kw_only=True):
    """The budget, and how often each camera was committed to memory."""

    keyframes: dict[str, int]


class PlanScores(msgspec.Struct, frozen=True, kw_only=True):
    """Plan errors of the network and of two planners that use no camera."""

    network: Scores
    constant_velocity: Scores
    hold_last: Scores

    def best_baseline(self, error: str) -> tuple[str, float] | None:
        """Field and value of the baseline whose error of this name is smallest; None if no tick supports it."""
        known = [(self.constant_velocity.get(error), "constant_velocity"), (self.hold_last.get(error), "hold_last")]
        values = [(value, name) for value, name in known if value is not None]
        return None if not values else min(values)[::-1]


class ChargedLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of the plans in latency-charged scores; `source` is `measured` or `given`."""

    source: str
    definition: str
    p50_ms: float
    max_ms: float


class LatencyChargedScores(PlanScores, frozen=True, kw_only=True):
    """Plan errors when every plan counts from the moment it is ready."""

    latency: ChargedLatency


class DrivingModes(msgspec.Struct, frozen=True, kw_only=True):
    """Who drove.

    Attributes:
        ticks: driving mode, or `unknown` -> ticks.
        disengagements: changes from an assisted mode to manual driving; engagements: the other way.
        scores: `manual` and `assisted` -> plain plan errors over the ticks of these modes, without jitter; empty
            without a driven path.
    """

    ticks: dict[str, int]
    disengagements: int
    engagements: int
    scores: dict[str, PlanScores] = {}


class WheelAngleScores(msgspec.Struct, frozen=True, kw_only=True):
    """Root mean square error of the steering wheel's angle, rad, of the network and two predictors without cameras.

    Attributes:
        ticks: with a known angle, now and 0.25 s before; the errors are None if there is none.
        straight_rad: of angle 0; hold_last_rad: of the angle 0.25 s before.
        steering_ratio, wheelbase_m: by which a curvature becomes an angle; `is_assumed`, since recordings lack them.
    """

    ticks: int
    network_rad: float | None = None
    straight_rad: float | None = None
    hold_last_rad: float | None = None
    steering_ratio: float
    wheelbase_m: float
    is_assumed: bool = True

    @property
    def errors(self) -> dict[str, float]:
        """Predictor -> error; empty without ticks."""
        known = {"network": self.network_rad, "straight ahead": self.straight_rad, "hold last": self.hold_last_rad}
        return {name: error_rad for name, error_rad in known.items() if error_rad is not None}

    @property
    def best(self) -> tuple[str, float]:
        """The predictor with the smallest error."""
        return min(self.errors.items(), key=lambda pair: pair[1])

    @property
    def geometry(self) -> str:
        """By what a curvature becomes an angle, as text."""
        assumed = " (assumed: a Lincoln MKZ's)" if self.is_assumed else ""
        return f"steering ratio {self.steering_ratio:g} and wheelbase {self.wheelbase_m:g} m{assumed}"


class OverlayFile(msgspec.Struct, frozen=True, kw_only=True):
    """The overlay video.

    Attributes:
        file: name in the result folder; None if it shows nothing, and then `why` says why.
        images: how many it has; megabytes: its size, 10^6 bytes.
        max_mb: the limit that was set; None without one. encoded_twice: the first encoding was over the limit.
    """

    file: str | None
    why: str | None = None
    images: int
    width_px: int
    height_px: int
    megabytes: float
    max_mb: float | None = None
    encoded_twice: bool = False


class ViewerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file for a viewer.

    Attributes:
        file, layout: names in the result folder; None if not written, and then `why` says why.
        video: camera -> how its video got into the file.
    """

    file: str | None
    layout: str | None = None
    video: dict[str, str] = {}
    why: str | None = None


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of what a replay was made from: the recording's files, the settings, the model's content."""

    recording: str
    settings: str
    model: str


class PlanAge(msgspec.Struct, frozen=True, kw_only=True):
    """How old the plans of a model are that steps less often than the ticks.

    Attributes:
        held_ticks: ticks whose plan is that of an earlier step.
        mean_ticks, max_ticks: age over all ticks, 0 where the plan is new.
    """

    held_ticks: int
    mean_ticks: float
    max_ticks: int


class ReplaySummary(RecordingRun, frozen=True, kw_only=True, tag_field="command", tag="replay"):
    """One replay.

    Attributes:
        made_from: by which `fsd replay` decides whether the results of a batch can be kept.
        network: `trained`, or starts with `untrained` or `simulation-trained`, the latter on real video only.
        warm_up_s: the part of wall_s before the first tick.
        times_real_time: without the warm-up; None before the first tick.
        load: who used the processor meanwhile, and whether the times are a measurement; None before the first tick.
        stages_ms: stage -> times; `plan` is compress + infer + post. Empty before the first tick.
        health: what plans were made without -> ticks.
        replaced_outputs: output of the network, or `inputs`, that was not finite or that no vehicle could follow ->
            ticks whose plan was replaced for it.
        plan_age: None for a model that steps at every tick.
        speed_ticks: source of the speed that plans follow from -> ticks, `recorded` or `assumed`; empty for a model
            with a path or a speed of its own.
        scores, latency_charged_scores: None without a driven path.
        wheel_angle: None where the recording has no angles of the steering wheel.
        driving_modes: None where the recording does not tell who drove.
        cross_check: None without a second network.
        overlay_file, viewer_file, rerun_file: None if not asked for; `overlay_file` also before the end.
        input_hash, plan_hash: of the last tick; None before it.
    """

    schema_version: int = 1
    made_from: Fingerprint | None = None
    network: str
    started_unix_s: float
    model: ModelInfo
    warm_up_s: float
    times_real_time: float | None
    load: MachineLoad | None = None
    cores_used: float
    plan_is_finite: bool
    stages_ms: dict[str, TimePercentiles]
    deadline: ReplayDeadline
    compression: ReplayCompression | None
    joules_per_tick: Quantity
    health: dict[str, int]
    replaced_outputs: dict[str, int] = msgspec.field(default_factory=dict)
    plan_age: PlanAge | None = None
    speed_ticks: dict[str, int] = msgspec.field(default_factory=dict)
    scores: PlanScores | None
    latency_charged_scores: LatencyChargedScores | None
    wheel_angle: WheelAngleScores | None = None
    driving_modes: DrivingModes | None = None
    cross_check: CrossCheckSummary | None = None
    overlay_file: OverlayFile | None = None
    viewer_file: ViewerFile | None
    rerun_file: ViewerFile | None
    input_hash: str | None
    plan_hash: str | None
    machine: MachineInfo

    @property
    def plan_notes(self) -> tuple[str, ...]:
        """How old the plans are, and which speed they follow from, as sentences, where the model makes that matter."""
        age, speed = self.plan_age, self.speed_ticks
        found = []
        if age is not None:
            found.append(
                f"plans are held at {age.held_ticks} of {self.ticks} ticks, for {age.max_ticks} at most "
                f"(mean age {age.mean_ticks:.2f} ticks)"
            )
        if speed:
            recorded, assumed = speed.get("recorded", 0), speed.get("assumed", 0)
            at = [f"the recorded speed at {recorded} ticks"] if recorded else []
            at += [f"an assumed {self.model.assumed_speed_mps:g} m/s at {assumed} ticks"] if assumed else []
            found.append(f"the model gives no path and no speed: plans drive at {' and '.join(at)}")
        return tuple(found)

    @property
    def speed_verdict(self) -> str:
        """`; valid: …` or `; NOT VALID: …`, whether times of this run are a measurement."""
        return "" if self.load is None else f"; {self.load.verdict}"

    @property
    def with_files(self) -> str:
        """`, with overlay.mp4 and drive.mcap`: what was encoded and written during the run besides its tables."""
        described = (self.overlay_file, self.viewer_file, self.rerun_file)
        names = [each.file for each in described if each is not None and each.file is not None]
        return f", with {' and '.join(names)}" if names else ""
