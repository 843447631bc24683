"""Driving score of B100 against the dense network, in closed loop, by `fsd drive` on the same held-out routes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from _rd_drives import HEIGHT_PX, WIDTH_PX

from fsd.drive.drive import DriveConfig, drive
from fsd.drive.table import bootstrap, mean_score, route_metrics
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.networks.collection import DRAW_EVERY_TICKS

FIRST_SEED = 130_000
"""Routes that neither the open-loop drives nor anybody's training has seen."""


def closed_loop(
    weights: Mapping[str, Path], out: Path, routes: int, workers: int, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    """Drive every scenario's routes with every network (as FP32 ONNX) and the expert.

    Args:
        weights: of the drivers by name, `dense` among them.
        routes: of every scenario.

    Returns:
        `figures` of every driver, and `score_loss` of every network but the dense one: the share of the dense network's
        driving score that is missing, with its paired 95% interval over routes.
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
        "figures": {name: msgspec.to_builtins(route_metrics(routes_of)) for name, routes_of in scores.items()},
        "score_loss": losses,
    }
