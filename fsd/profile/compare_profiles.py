"""Compare two profiles: what changed around them, and whether the latencies changed by more than noise."""

import json
from pathlib import Path
from typing import Any

from fsd.data.errors import UsageError
from fsd.profile.samples import read_latencies
from fsd.profile.stats.comparison import compare, drift_between
from fsd.profile.stats.percentiles import samples_needed

RANKS = (50.0, 90.0, 99.0)
CONTEXT = ("machine", "config", "clip", "model", "network_cost")
"""Parts of a summary that explain a change; measured ones among them are compared by the latencies instead."""

MEASURED = {"operator_ms", "gmac_s", "share_of_peak"}
PEAKS = ("copy_gb_s", "fp32_gmac_s", "int8_gmac_s")


def compare_runs(old: Path, new: Path) -> dict[str, Any]:
    """Compare two `summary.json`, each with its `samples.parquet` beside it.

    Returns:
        `changed` (what differs in machine, settings, model), `machine_drift` (largest ratio between the machine's own
        measured peaks), and `scenarios` with a verdict for every percentile that both runs support.

    Raises:
        UsageError: a file is missing or is not a profile.
    """
    before, after = _load(old), _load(new)
    drift = drift_between(_peaks(before), _peaks(after))
    scenarios: dict[str, Any] = {}
    for name in before["scenarios"].keys() & after["scenarios"].keys():
        samples = [read_latencies(path.parent / "samples.parquet", name) for path in (old, new)]
        rows = []
        for rank in RANKS:
            if min(map(len, samples)) >= max(samples_needed(rank), 72):
                change = compare(samples[0], samples[1], rank, drift)
                rows.append(
                    {
                        "percentile": f"p{rank:g}",
                        "old_ms": change.old,
                        "new_ms": change.new,
                        "ratio": change.ratio,
                        "low_95": change.low,
                        "high_95": change.high,
                        "verdict": change.verdict,
                    }
                )
        scenarios[name] = {"samples": [len(values) for values in samples], "percentiles": rows}
    return {
        "old": str(old),
        "new": str(new),
        "changed": _differences(before, after),
        "machine_drift": drift,
        "scenarios": {name: scenarios[name] for name in before["scenarios"] if name in scenarios},
    }


def _load(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as a profile ({error}). Give the summary.json of two profiles."
        ) from error
    if not isinstance(summary, dict) or "scenarios" not in summary or "peaks" not in summary:
        raise UsageError(f"{path} is not the summary of a profile. Give the summary.json that `fsd profile` wrote.")
    if not (path.parent / "samples.parquet").exists():
        raise UsageError(f"There is no samples.parquet beside {path}. Keep the two files together.")
    return summary


def _peaks(summary: dict[str, Any]) -> dict[str, float]:
    return {name: float(summary["peaks"][name]) for name in PEAKS}


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """`model.precision: fp32 -> int8`, one line for each setting that differs."""
    found: list[str] = []
    for part in CONTEXT:
        old, new = before.get(part, {}), after.get(part, {})
        found += [
            f"{part}.{key}: {_short(old.get(key))} -> {_short(new.get(key))}"
            for key in sorted(old.keys() | new.keys())
            if key not in MEASURED and old.get(key) != new.get(key)
        ]
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
