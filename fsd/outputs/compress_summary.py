"""`summary.json` of `fsd compress`; docs/compress.md describes the fields for people."""

import msgspec

from fsd.outputs.budget_metrics import BudgetMetrics
from fsd.outputs.camera_resolution import CameraResolution
from fsd.outputs.run_info import RecordingRun, TimePercentiles


class RecordingCompression(BudgetMetrics, frozen=True, kw_only=True):
    """The budget applied to one recording.

    Attributes:
        bytes_in_per_second: YUV 4:2:0 of new pictures, None before the first tick; bytes_out_per_second: into the
            network.
    """

    bytes_in_per_second: int | None
    bytes_out_per_second: int


class GazeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Patches.

    Attributes:
        patches: camera -> patches read; swept_share: share of them that were read for their age.
        oldest_block_ticks: longest time without a read, of the blocks that were read.
        sweep_bound_ticks: the sweep's limit of it; None for a policy without a sweep.
        blocks_never_read: camera -> blocks, of 300.
        fine_share: share of the patches that show a quarter of a block; None for budgets without a fovea.
    """

    patches: dict[str, int]
    swept_share: float
    oldest_block_ticks: int
    sweep_bound_ticks: int | None
    blocks_never_read: dict[str, int]
    fine_share: float | None = None


class KeyframeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Keyframes by camera, and by reason and camera; a keyframe may have several reasons."""

    per_second: dict[str, float]
    count: dict[str, int]
    reasons: dict[str, dict[str, int]]


class MemorySummary(msgspec.Struct, frozen=True, kw_only=True):
    """Memory slots written, and slots in use at the end, of 112."""

    commits: int
    slots_filled: int


class GazeLatencySummary(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks from an event in a block to the first patch that shows it.

    Attributes:
        events: all; read: shown by a patch, of which `same_tick` at once; not_read_before_the_end: the others.
        p50_ticks, p99_ticks: of all events, those not read counting as longer than any; None where the rank falls among
            these, or there is no event. max_ticks: of those read.
        ticks: histogram, ticks -> events.
    """

    events: int
    read: int
    not_read_before_the_end: int
    same_tick: int
    p50_ticks: float | None
    p99_ticks: float | None
    max_ticks: int | None
    ticks: dict[str, int]

    @property
    def never_read(self) -> str:
        """`25% never read`: the share of events that no patch showed before the end."""
        return f"{self.not_read_before_the_end / max(1, self.events):.0%} never read"


def format_latency(ticks: float | None) -> str:
    """A percentile of `GazeLatencySummary`."""
    return "not read" if ticks is None else f"{ticks:.0f}"


class EventToGaze(msgspec.Struct, frozen=True, kw_only=True):
    """Latency after a block becomes surprising, and after a keyframe by surprise."""

    blocks: GazeLatencySummary
    keyframes: GazeLatencySummary


class MosaicTick(msgspec.Struct, frozen=True, kw_only=True):
    """The tick that `mosaic.png` shows, its time in the recording in seconds, and why it is not the one asked for."""

    tick: int
    second: float
    why: str | None = None


class CompressSummary(RecordingRun, frozen=True, kw_only=True, tag_field="command", tag="compress"):
    """One run of the compressor.

    Attributes:
        compress_ms: the compressor's time per tick; None for a run no longer than the warm-up.
        resolution: camera -> its resolution, for cameras that the rig describes; `clip.rig` says whether it is assumed.
        mosaic: None if none was written.
    """

    schema_version: int = 1
    policy: str
    compression: RecordingCompression
    resolution: dict[str, CameraResolution] = msgspec.field(default_factory=dict)
    gaze: GazeSummary
    keyframes: KeyframeSummary
    memory: MemorySummary
    event_to_gaze: EventToGaze
    compress_ms: TimePercentiles | None
    mosaic: MosaicTick | None
