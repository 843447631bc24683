"""Driving score of B100 against the dense network, in closed loop, by `fsd drive` on the same held-out routes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fsd.drive.drive import DriveConfig, drive
from fsd.drive.table import bootstrap, mean_score, route_metrics
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.networks.collection import DRAW_EVERY_TICKS
from rate_distortion.drives import HEIGHT_PX, WIDTH_PX
from rate_distortion.worker_pool import ProgressCallback

FIRST_SEED = 130_000
"""Seeds from here on are used neither by the open-loop drives nor in any training."""


def closed_loop(
    weights: Mapping[str, Path], out: Path, routes: int, workers: int, progress: ProgressCallback | None
) -> dict[str, Any]:
    """Drive the same routes with every network (as FP32 ONNX) and the expert.

    Args:
        weights: weights file of every network by name; one is `dense`.
        routes: routes per scenario.

    Returns:
        `routes`; `metrics` of every driver; `score_loss` of every network except the dense one: how much lower its
        driving score is, as a share of the dense network's, with its paired 95% interval over routes.
    """
    drivers = ["expert"]
    for name, path in weights.items():
        onnx = export(ExportConfig(weights=path, out=out / f"onnx-{name}", int8=False, parity_ticks=0)).fp32
        drivers.append(f"{name}={onnx}")
    config = DriveConfig(
        out=out,
        drivers=tuple(drivers),
        routes=routes,
        first_seed=FIRST_SEED,
        draw_every_ticks=DRAW_EVERY_TICKS,
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        workers=workers,
    )
    scores = drive(config, progress).scores
    dense = scores["dense"]
    whole = mean_score(dense)
    losses = {}
    for name in weights:
        if name != "dense":
            missing = bootstrap([dense[route].driving_score - scores[name][route].driving_score for route in dense])
            scale = 1.0 / whole if whole > 0 else float("nan")
            losses[name] = {"loss": missing.mean * scale, "low": missing.low * scale, "high": missing.high * scale}
    return {
        "routes": len(dense),
        "metrics": {name: msgspec.to_builtins(route_metrics(routes_of)) for name, routes_of in scores.items()},
        "score_loss": losses,
    }
