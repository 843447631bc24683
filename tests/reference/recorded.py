"""Read and write the recorded references beside this file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.budget import DEFAULT_BUDGET
from tests.reference.outputs import PLAN_FIELDS, ReplayOutputs

FOLDER = Path(__file__).resolve().parent
KEPT_EVERY_TICKS = 6
"""Rows of plans that are kept; digests cover every tick."""


def kept_rows(values: np.ndarray) -> np.ndarray:
    """Every sixth row, and the last one, on which all before it have left their trace."""
    rows = np.unique(np.append(np.arange(0, len(values), KEPT_EVERY_TICKS), len(values) - 1))
    return values[rows]


def load_reference(clip: str, precision: str) -> ReplayOutputs:
    """The recorded outputs of a clip with the packaged network; its plans hold only the rows of `kept_rows`."""
    content = _content(clip, DEFAULT_BUDGET)
    with np.load(FOLDER / f"{clip}_{precision}.npz") as stored:
        plans = {name: stored[name].astype(np.float64) for name in PLAN_FIELDS}
    return ReplayOutputs(content["digests"], content["health"], plans)


def load_digests(clip: str, budget: str) -> dict[str, list[str]]:
    """What the compressor gave for a clip at a budget."""
    digests: dict[str, list[str]] = _content(clip, budget)["digests"]
    return digests


def _content(clip: str, budget: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_path(clip, budget).read_text(encoding="utf-8"))
    return content


def _path(clip: str, budget: str) -> Path:
    return FOLDER / f"{clip}_{budget.lower()}.json"


def save_reference(clip: str, precision: str, outputs: ReplayOutputs) -> None:
    """Replace what is recorded of a clip."""
    content = {"digests": outputs.digests, "health": outputs.health}
    _path(clip, DEFAULT_BUDGET).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plans = {name: kept_rows(values).astype(np.float32) for name, values in outputs.plans.items()}
    np.savez_compressed(FOLDER / f"{clip}_{precision}.npz", **plans)  # type: ignore[arg-type]
