"""Which second network checks the first, and how far the two may differ by default.

Values only: `fsd/third_party/open_planner.py` opens the networks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fsd.networks.devices import PROVIDERS
from fsd.runtime.divergence import UNITS, PairKind

SYNTAX = "DEVICE, DEVICE:THREADS, MODEL or MODEL@DEVICE:THREADS"
_DEVICE = re.compile(rf"({'|'.join(PROVIDERS)})(?::([1-9]\d*))?")

LIMITS: dict[PairKind, Mapping[str, float]] = {
    "same": dict.fromkeys(UNITS, 0.0),
    "threads": dict.fromkeys(UNITS, 1e-5),
    "float": dict.fromkeys(UNITS, 1e-3),
    "precision": {
        "waypoints_m": 6.0,
        "waypoint_3s_m": 4.0,
        "curvature_per_m": 0.04,
        "acceleration_mps2": 0.5,
        "saliency": 2.5,
        "state": 0.3,
        "state_rms": 0.03,
    },
    "network": {},
}
"""Default tolerances by name of `UNITS`; docs/cross_check.md has the measurements behind them."""


@dataclass(frozen=True)
class SecondNetwork:
    """A second network for `--cross-check`; None is as in the first network."""

    model: Path | None = None
    device: str | None = None
    threads: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `cuda`, `cpu:2`, `f100_fp32.onnx` or `f100_fp32.onnx@cpu:2`.

        Raises:
            ValueError: the text has another form, or names no file.
        """
        model, at, place = text.rpartition("@")
        found = _DEVICE.fullmatch(place)
        if found is None:
            model, at = text, ""
        path = Path(model) if model else None
        if (path is None and (found is None or at)) or (path is not None and path.suffix != ".onnx"):
            raise ValueError(f"write {SYNTAX}, with a DEVICE of {', '.join(PROVIDERS)} and a MODEL.onnx; got {text!r}")
        if found is None:
            return cls(path)
        return cls(path, found[1], int(found[2]) if found[2] else None)

    def __str__(self) -> str:
        threads = "" if self.threads is None else f":{self.threads}"
        parts = ("" if self.model is None else self.model.name, f"{self.device or ''}{threads}")
        return "@".join(part for part in parts if part)


def tolerance_pair(text: str) -> tuple[str, float]:
    """`NAME=LIMIT` as a pair.

    Raises:
        ValueError: the text has another form, or there is no such name.
    """
    name, _, limit = text.partition("=")
    if name not in UNITS:
        raise ValueError(f"write NAME=LIMIT with a name of {', '.join(UNITS)}; got {text!r}")
    try:
        return name, float(limit)
    except ValueError:
        raise ValueError(f"write NAME=LIMIT, for example waypoints_m=0.5; got {text!r}") from None
