"""Facts that several summaries share: the run, the recording, the model, percentiles of times, camera counters."""

from typing import Literal

import msgspec
import numpy as np

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS
from fsd.data.hardware_decode import decoded_by
from fsd.data.sync_report import SyncReport
from fsd.networks.contract import SIMULATOR
from fsd.outputs.summary_file import Summary
from fsd.runtime.planner import PlannerMetadata

Status = Literal["running", "complete", "interrupted", "failed"]


class ClipInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A recording.

    Attributes:
        cameras, missing_cameras: names, with and without a video.
        streams: camera -> size and codec of its video.
        decoder: `software`, or the kind of hardware that decodes it.
        rig: name of the calibration, or `assumed`.
        begins: date and time of the first picture, where they are known.
        notes: what had to be assumed.
    """

    name: str
    format: str = ""
    cameras: tuple[str, ...] = ()
    missing_cameras: tuple[str, ...] = ()
    streams: dict[str, str] = {}
    decoder: str = ""
    rig: str = ""
    has_ego: bool = False
    begins: str = ""
    notes: tuple[str, ...] = ()


def clip_info(clip: Clip) -> ClipInfo:
    """Facts about a recording."""
    streams = dict(zip(CAMERAS, clip.streams, strict=True))
    return ClipInfo(
        name=clip.name,
        format=clip.format,
        cameras=tuple(name for name, stream in streams.items() if stream is not None),
        missing_cameras=tuple(name for name, stream in streams.items() if stream is None),
        streams={
            name: f"{stream.width_px}x{stream.height_px} {stream.codec}"
            for name, stream in streams.items()
            if stream is not None
        },
        decoder=decoded_by(clip),
        rig="assumed" if clip.rig_is_assumed else clip.rig.name,
        has_ego=clip.ego is not None,
        begins="" if clip.wall_clock is None else clip.wall_clock.text_at(_start_ns(clip)),
        notes=tuple(clip.notes),
    )


def _start_ns(clip: Clip) -> int:
    return min((stream.start_ns for stream in clip.streams if stream and stream.start_ns is not None), default=0)


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model file; what a third-party file does not say is empty.

    Attributes:
        integer_kernels: how it multiplies 8-bit numbers on this processor: `fast`; or, where the fast kernels saturate
            and it needs exact sums, `exact` or `float`, which are slower.
        trained_on: `simulator`, or as its adapter or its training says.
        rate_hz: of its steps; None is every tick.
        assumed_speed_mps: for a model without a path and a speed of its own, where the recording has no speed.
        warnings: sentences about what its inputs rely on.
        hypotheses_mps2: acceleration now of each way to go on that the network considers; empty without.
    """

    name: str
    precision: str = ""
    weights_sha256: str = ""
    integer_kernels: str = "fast"
    trained_on: str = ""
    rate_hz: float | None = None
    assumed_speed_mps: float | None = None
    warnings: tuple[str, ...] = ()
    hypotheses_mps2: tuple[float, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a model's adapter or its training says of it, as sentences."""
        trained_on = (f"trained on {self.trained_on}",) if self.trained_on not in ("", SIMULATOR) else ()
        rate = () if self.rate_hz is None else (f"steps at {self.rate_hz:g} Hz; between steps its plan is held",)
        return (*trained_on, *rate, *self.warnings)

    @property
    def kernel_warning(self) -> str:
        """That slower kernels run, and why; empty where the fast ones do."""
        slower = {"exact": "slower, exact kernels run", "float": "its integer layers run in float, slower"}
        why = "8-bit sums saturate on this processor and this file needs them exact"
        return f"{why}: {slower[self.integer_kernels]}" if self.integer_kernels in slower else ""


def model_info(metadata: PlannerMetadata) -> ModelInfo:
    """What a planner states about its model."""
    return ModelInfo(
        name=metadata.name,
        precision=metadata.precision,
        weights_sha256=metadata.weights_sha256,
        integer_kernels=metadata.integer_kernels,
        trained_on=metadata.trained_on,
        rate_hz=metadata.step_rate_hz,
        assumed_speed_mps=metadata.assumed_speed_mps,
        warnings=metadata.warnings,
        hypotheses_mps2=metadata.hypotheses_mps2,
    )


def describe_training(metadata: PlannerMetadata, clip: Clip) -> str:
    """Whether plans of a network on this recording mean anything."""
    return metadata.caveat(clip.rig.is_simulated) or "trained"


def describe_simulated(simulated: int, clips: int) -> str:
    """How many clips of a data set are no recordings of real drives; empty if all are."""
    if not simulated:
        return ""
    count = "All clips" if simulated == clips else f"{simulated} of {clips} clips"
    return f"{count} are from a simulator: their pictures are rendered, and say nothing about real roads."


class TimePercentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a stage's times, milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float
    samples: int


def time_percentiles(times_ms: np.ndarray) -> TimePercentiles:
    """Percentiles of (T,) times, T at least 1, rounded to 0.1 µs."""
    p50, p90, p99 = (round(float(np.percentile(times_ms, rank)), 4) for rank in (50, 90, 99))
    return TimePercentiles(p50=p50, p90=p90, p99=p99, max=round(float(times_ms.max()), 4), samples=len(times_ms))


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a recording without a hole: its first tick, that tick's time, and the hole before it."""

    first_tick: int
    start_ns: int
    hole_ns: int | None


class SyncSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of clocks and decoders; see `fsd.data.sync_report`.

    Attributes:
        cameras: camera -> counter -> value.
        runs: the stretches that holes divide; what is remembered from one is not used in the next.
        start_ns: time of tick 0; ticks: how many were handed out.
        max_skew_ns, mean_skew_ns: newest minus oldest frame of a tick.
        fault_ticks: camera -> name of a fault in `health` -> ticks; only cameras that had any.
        faults: one sentence per camera that had faults.
    """

    cameras: dict[str, dict[str, int]]
    runs: tuple[RunInfo, ...] = ()
    start_ns: int | None
    ticks: int
    max_skew_ns: int
    mean_skew_ns: int
    fault_ticks: dict[str, dict[str, int]] = {}
    faults: tuple[str, ...]


def sync_summary(report: SyncReport | None) -> SyncSummary | None:
    """The counters of a run; None if it ended before there were any."""
    return None if report is None else msgspec.convert(report.to_dict(), SyncSummary)


class ReportedRun(Summary, frozen=True, kw_only=True):
    """A run that states how it stands, at its start and at its end.

    Attributes:
        earlier_results: folder inside this one with the results of the run before; None once this run is complete and
            has removed all of them.
    """

    status: Status
    error: str | None
    earlier_results: str | None = None


class RecordingRun(ReportedRun, frozen=True, kw_only=True):
    """A run over a recording.

    Attributes:
        drive_s: length of the recording; wall_s: of the run.
        odometry_ticks: source of the ego motion -> ticks.
        cameras: None while the run lasts.
    """

    clip: ClipInfo
    ticks: int
    drive_s: float
    wall_s: float
    odometry_ticks: dict[str, int]
    cameras: SyncSummary | None
