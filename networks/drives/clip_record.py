"""What a data set knows about one clip: `clip.json` in the clip's folder, written before the folder gets its name."""

from pathlib import Path

import msgspec
import numpy as np

from fsd.data.errors import OutputError
from fsd.data.files import write_bytes

RECORD_FILE, LABELS_FILE, CLIPS_FOLDER = "clip.json", "labels.parquet", "clips"


class TickRange(msgspec.Struct, frozen=True):
    """Neighbouring rows with the same properties.

    Attributes:
        begin, end: rows; run: the stretch of the recording, between holes; part: of `splits.PARTS`, or "".
        is_used: rows to learn from; the others are there to roll a memory over.
    """

    begin: int
    end: int
    run: int
    part: str
    is_used: bool


class SkewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Time stamps of the telemetry minus those of the images.

    Attributes:
        against: the ego motion or steering wheel that was compared with the images.
        is_off: clearly, by more than a tick; is_mended: the labels take it into account.
    """

    against: str
    offset_ms: float
    uncertainty_ms: float
    correlation: float
    other_correlation: float
    is_clear: bool
    is_off: bool
    is_mended: bool


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts between rising edges; values outside are in the first and the last bin."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: np.ndarray, edges: tuple[float, ...]) -> "Histogram":
        known = values[np.isfinite(values)]
        bins = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, len(edges) - 2)
        return cls(edges=edges, counts=tuple(int(n) for n in np.bincount(bins, minlength=len(edges) - 1)))

    def plus(self, other: "Histogram") -> "Histogram":
        assert self.edges == other.edges
        return Histogram(edges=self.edges, counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))


class ClipRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One clip.

    Attributes:
        key: digest of the content, and the name of the folder; drive: digest of what tells drives apart.
        options: those of the build that decide the content.
        ticks: read at 36 Hz; rows: recorded; video_s: length of the recording.
        shard_bytes: budget -> bytes of its shards; label_bytes: of the labels.
        path_from: source of the path, None without one; curvature_from: of the curvature.
        is_by_place: parts are by place, not by drive.
        left_out: reason -> rows; horizon_rows: rows with a known path to each waypoint.
        is_odometry_off: the ticks were compressed with ego motion at times that were mended only afterwards.
        modes: driving mode -> rows, "unknown" among them; histograms: name -> counts of used rows.
        is_simulated: its pictures are rendered, as its rig says.
        wall_s: time of the build; cpu_s: of its process.
    """

    schema_version: int = 1
    key: str
    name: str
    format: str
    drive: str
    options: str
    every_ticks: int
    budgets: tuple[str, ...]
    ticks: int
    rows: int
    video_s: float
    cameras: tuple[str, ...]
    shard_bytes: dict[str, int]
    label_bytes: int
    path_from: str | None
    curvature_from: str
    is_by_place: bool
    skew: SkewRecord | None
    is_odometry_off: bool
    left_out: dict[str, int]
    standing_rows: int
    horizon_rows: tuple[int, ...]
    modes: dict[str, int]
    histograms: dict[str, Histogram]
    ranges: tuple[TickRange, ...]
    notes: tuple[str, ...]
    wall_s: float
    cpu_s: float
    is_simulated: bool = False


def write_record(folder: Path, record: ClipRecord) -> None:
    write_bytes(folder / RECORD_FILE, msgspec.json.encode(record))


def read_record(folder: Path) -> ClipRecord:
    """Read `clip.json`.

    Raises:
        OutputError: it is damaged.
    """
    path = folder / RECORD_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClipRecord)
    except (OSError, msgspec.MsgspecError) as error:
        raise OutputError(f"{path} cannot be read ({error}). Delete {folder} and build the data set again.") from error
