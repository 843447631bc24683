"""The summary of a data set from the records of its clips."""

from collections import Counter
from collections.abc import Sequence

from fsd.data.frames import RATE_HZ
from fsd.dataset.config import DatasetConfig
from fsd.networks.contract import WAYPOINTS
from fsd.networks.drives.clip_record import ClipRecord, Histogram
from fsd.networks.drives.splits import PARTS
from fsd.outputs.dataset_summary import BadClip, BudgetSize, DatasetSummary, PartSize, SkewedClip, SkewSummary
from fsd.outputs.run_info import Status


def summarise(
    config: DatasetConfig,
    records: Sequence[ClipRecord],
    bad: Sequence[BadClip],
    built: Sequence[str],
    wall_s: float,
    status: Status,
    error: BaseException | None,
) -> DatasetSummary:
    """The summary.

    Args:
        records: of all clips in the data set; built: keys of those that this build made.
    """
    ticks, rows = sum(each.ticks for each in records), sum(each.rows for each in records)
    hours = ticks / float(RATE_HZ) / 3600
    left_out: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for each in records:
        left_out.update(each.left_out)
        modes.update(each.modes)
    is_built = set(built)
    built_ticks = sum(each.ticks for each in records if each.key in is_built)
    return DatasetSummary(
        status=status,
        error=None if error is None else str(error),
        options=config.settings.text,
        every_ticks=config.every_ticks,
        clips=len(records),
        kept_clips=sum(each.key not in is_built for each in records),
        bad_clips=tuple(bad),
        hours=round(hours, 4),
        ticks=ticks,
        rows=rows,
        used_rows=rows - sum(left_out.values()),
        label_bytes=sum(each.label_bytes for each in records),
        sizes={name: _size(sum(each.shard_bytes[name] for each in records), rows, hours) for name in config.budget},
        left_out=dict(left_out),
        standing_rows=sum(each.standing_rows for each in records),
        horizon_rows=tuple(sum(each.horizon_rows[k] for each in records) for k in range(WAYPOINTS)),
        skew=_skew(records),
        simulated_clips=sum(each.is_simulated for each in records),
        odometry_off_clips=sum(each.is_odometry_off for each in records),
        parts={name: _part(records, name) for name in PARTS},
        split_by=dict(Counter("place" if each.is_by_place else "drive" for each in records)),
        modes=dict(modes),
        paths=dict(Counter(each.path_from or "none" for each in records)),
        histograms=_histograms(records),
        wall_s=round(wall_s, 2),
        built_ticks_per_s=round(built_ticks / wall_s, 1) if built_ticks and wall_s else None,
    )


def _size(total_bytes: int, rows: int, hours: float) -> BudgetSize:
    return BudgetSize(
        total_bytes=total_bytes,
        bytes_per_tick=round(total_bytes / rows) if rows else 0,
        bytes_per_hour=round(total_bytes / hours) if hours else 0,
    )


def _part(records: Sequence[ClipRecord], name: str) -> PartSize:
    rows: Counter[str] = Counter()
    seconds = 0.0
    for each in records:
        count = sum(part.end - part.begin for part in each.ranges if part.part == name and part.is_used)
        rows[each.key] = count
        seconds += count * each.every_ticks / float(RATE_HZ)
    return PartSize(
        rows=sum(rows.values()),
        hours=round(seconds / 3600, 4),
        drives=len({each.drive for each in records if rows[each.key]}),
        clips=sum(count > 0 for count in rows.values()),
    )


def _skew(records: Sequence[ClipRecord]) -> SkewSummary:
    clear = [(each, each.skew) for each in records if each.skew is not None and each.skew.is_clear]
    off = tuple(
        SkewedClip(
            clip=each.name,
            against=skew.against,
            offset_ms=skew.offset_ms,
            uncertainty_ms=skew.uncertainty_ms,
            correlation=skew.correlation,
            is_mended=skew.is_mended,
        )
        for each, skew in clear
        if skew.is_off
    )
    return SkewSummary(in_time=len(clear) - len(off), not_clear=len(records) - len(clear), off=off)


def _histograms(records: Sequence[ClipRecord]) -> dict[str, Histogram]:
    totals: dict[str, Histogram] = {}
    for each in records:
        for name, counts in each.histograms.items():
            totals[name] = totals[name].plus(counts) if name in totals else counts
    return totals
