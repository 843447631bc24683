"""Compare two profiles: differences in settings and machine, and whether latencies differ by more than noise."""

from pathlib import Path

import msgspec

from fsd.data.errors import UsageError
from fsd.outputs.compare_summary import ProfileComparison, ScenarioChange
from fsd.outputs.profile_summary import ProfileSummary
from fsd.outputs.summary_file import load_summary
from fsd.profile.scenarios.samples import read_latencies
from fsd.profile.stats.comparison import BLOCK_TICKS, compare, drift_between
from fsd.profile.stats.percentiles import samples_needed

RANKS = (50.0, 90.0, 99.0)
CONTEXT = ("machine", "config", "clip", "model", "network_cost")
"""Parts of a summary that may explain a change in latency."""

MEASURED = {"operator_ms", "gmac_s", "share_of_peak"}
"""Fields of `network_cost` that are measured, not settings."""


def compare_profiles(old: Path, new: Path) -> ProfileComparison:
    """Compare two `summary.json`, each with its `samples.parquet` beside it.

    Raises:
        UsageError: a file is missing, is not a profile, or is of another schema version.
    """
    before, after = _load(old), _load(new)
    drift = drift_between(before.peaks.rates(), after.peaks.rates())
    return ProfileComparison(
        old=str(old),
        new=str(new),
        changed=tuple(_differences(before, after)),
        machine_drift=drift,
        scenarios={name: _scenario(old, new, name, drift) for name in before.scenarios if name in after.scenarios},
    )


def _scenario(old: Path, new: Path, name: str, drift: float) -> ScenarioChange:
    before, after = (read_latencies(path.parent / "samples.parquet", name) for path in (old, new))
    fewest = min(len(before), len(after))
    supported = [rank for rank in RANKS if fewest >= max(samples_needed(rank), 2 * BLOCK_TICKS)]
    return ScenarioChange(
        samples=(len(before), len(after)), percentiles=tuple(compare(before, after, rank, drift) for rank in supported)
    )


def _load(path: Path) -> ProfileSummary:
    summary = load_summary(path, ProfileSummary)
    if not (path.parent / "samples.parquet").exists():
        raise UsageError(f"There is no samples.parquet beside {path}. Keep both files in one folder.")
    return summary


def _differences(before: ProfileSummary, after: ProfileSummary) -> list[str]:
    """`model.precision: fp32 -> int8`, one line for each setting that differs."""
    found: list[str] = []
    for part in CONTEXT:
        old, new = (msgspec.to_builtins(getattr(summary, part)) for summary in (before, after))
        found += [
            f"{part}.{key}: {_short(old.get(key))} -> {_short(new.get(key))}"
            for key in sorted(old.keys() | new.keys())
            if key not in MEASURED and old.get(key) != new.get(key)
        ]
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
