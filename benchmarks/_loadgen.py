"""MLPerf LoadGen's SingleStream scenario as an independent reference: it times queries and computes the percentiles.

Needs the package `mlcommons-loadgen` (extra `benchmarks`). It does not know what a query does.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LABELS = {50.0: "50.00", 90.0: "90.00", 99.0: "99.00", 99.9: "99.90"}
"""Percentile rank -> its name in LoadGen's summary."""


def single_stream_ms(query: Callable[[], object], queries: int) -> dict[float, float]:
    """LoadGen's latency percentiles in milliseconds by rank, over `queries` sequential queries.

    Raises:
        ImportError: `mlcommons-loadgen` is not installed.
        RuntimeError: LoadGen's summary has no percentiles.
    """
    import mlperf_loadgen as lg

    def issue(samples: list[lg.QuerySample]) -> None:
        for sample in samples:
            query()
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    with tempfile.TemporaryDirectory() as folder:
        logs = lg.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        system = lg.ConstructSUT(issue, lambda: None)
        library = lg.ConstructQSL(1, 1, lambda samples: None, lambda samples: None)
        with _scheduling_restored():
            lg.StartTestWithLogSettings(system, library, settings, logs)
        lg.DestroyQSL(library)
        lg.DestroySUT(system)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text(encoding="utf-8")
    found = {
        rank: re.search(rf"{label} percentile latency \(ns\)\s*:\s*(\d+)", summary) for rank, label in LABELS.items()
    }
    percentiles_ms = {rank: int(match[1]) / 1e6 for rank, match in found.items() if match}
    if not percentiles_ms:
        raise RuntimeError(f"LoadGen's summary has no percentiles:\n{summary}")
    return percentiles_ms


@contextmanager
def _scheduling_restored() -> Iterator[None]:
    """LoadGen makes the thread real-time where it may, and leaves it so: it would starve all other programs."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
