"""Settings of `fsd compare`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import OptionError, Options, option

UNITS = {"path_m": "m", "heading_rad": "rad", "speed_mps": "m/s", "curvature_per_m": "1/m", "acceleration_mps2": "m/s²"}
"""What is compared, and its unit; docs/metrics.md defines each. A tolerance can be set for every one."""

SCORE_UNITS = {
    "ade_1s_m": "m",
    "ade_2s_m": "m",
    "ade_3s_m": "m",
    "fde_3s_m": "m",
    "ahe_3s_rad": "rad",
    "curvature_mae_per_m": "1/m",
    "acceleration_mae_mps2": "m/s²",
    "jitter_1s_m": "m",
}
"""Scores of a clip -> unit; docs/metrics.md defines them."""

RUN_UNITS = {**SCORE_UNITS, "plan_p50_ms": "ms", "plan_p99_ms": "ms", "deadline_miss_share": "1"}
"""Values of a clip whose means two whole runs are compared by, and their units. Of all, less is better."""


def tolerance_pair(text: str) -> tuple[str, float]:
    """`NAME=LIMIT` as a pair; a limit alone is that of path_m.

    Raises:
        ValueError: the limit is not a number.
    """
    name, separator, limit = text.rpartition("=")
    try:
        return name if separator else "path_m", float(limit)
    except ValueError:
        raise ValueError(f"Write NAME=LIMIT, for example path_m=0.05, or one number; got {text!r}.") from None


@dataclass(frozen=True)
class CompareConfig(Options):
    """Settings of a comparison; without a tolerance it only reports."""

    run_a: Path = option(help="output folder of a replay, or of a whole run over many", flag="", metavar="RUN_A")
    run_b: Path = option(help="output folder of another over the same recordings", flag="", metavar="RUN_B")
    tolerance: Mapping[str, float] = option(
        default_factory=dict,
        help="largest difference allowed at any tick; a larger one ends in exit code 7. A number without a name is for "
        f"path_m. Names: {', '.join(UNITS)}. Of whole runs, also the largest rise of a mean over the clips that "
        f"its 95% interval may hold: {', '.join(RUN_UNITS)}",
        at_least=0,
        metavar="NAME=LIMIT",
        default_text="none",
        parse=tolerance_pair,
    )
    page: Path | None = option(
        None, "HTML page to write, with the differences as curves", metavar="FILE", default_text="none"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.page is not None and self.page.suffix != ".html":  # no table of a run is overwritten
            raise OptionError("page", f"must end in .html, got {self.page}")
        for name in self.tolerance:
            if name not in UNITS | RUN_UNITS:
                raise OptionError("tolerance", f"has no difference called {name!r}; use {', '.join(UNITS | RUN_UNITS)}")
