"""How far two outputs of a model are apart, in the unit of its plan.

A measure reads quantities from the outputs of one tick: positions in metres where the model plans a path, angles in
radians where it steers, else all outputs relative to their own magnitude.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from fsd.data.errors import ModelError
from fsd.export.onnx_runner import Clip, Runner
from fsd.networks.contract import WAYPOINT_STEP_S

RELATIVE = "relative"
"""Unit of a difference divided by the magnitude of what it differs from; 0.01 is 40 dB."""

HORIZONS_S = (1, 2, 3)

Rows = np.ndarray | Sequence[np.ndarray]
"""Vectors of one quantity; two quantities are as far apart as the two vectors that differ most."""


@dataclass(frozen=True)
class Quantity:
    """Something that a plan says: its `unit`, and how a sentence calls it."""

    unit: str
    label: str


class PlanMeasure(Protocol):
    """Turns the outputs of one tick into quantities of a plan.

    Attributes:
        quantities: name -> unit and label.
        headline: the quantity that files are judged by, on average over the ticks.
        strictest: the quantity that a float file must hold at every tick.
        outputs: the outputs that are read.
    """

    @property
    def quantities(self) -> Mapping[str, Quantity]: ...

    @property
    def headline(self) -> str: ...

    @property
    def strictest(self) -> str: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    def read(self, outputs: Mapping[str, np.ndarray], /) -> Mapping[str, Rows]:
        """The quantities of one tick, each as rows of numbers in its unit."""
        ...


def distance(found: Rows, expected: Rows) -> float:
    """Largest distance between two rows; NaN if any number is."""
    if isinstance(found, np.ndarray) and isinstance(expected, np.ndarray):
        return float(_lengths(found.astype(np.float64) - expected).max())
    return max((distance(mine[None], other[None]) for mine, other in zip(found, expected, strict=True)), key=_nan_last)


def distances(
    measure: PlanMeasure, outputs: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """How far the quantities of one tick are apart, each in its unit."""
    found, expected = measure.read(outputs), measure.read(reference)
    return {name: distance(found[name], expected[name]) for name in measure.quantities}


def format_distance(value: float, unit: str) -> str:
    """Such as `0.031 m`; a relative difference also in decibels."""
    if unit != RELATIVE:
        return f"{value:.3g} {unit}"
    return f"{value:.2%} ({-20 * np.log10(max(value, 1e-15)):.0f} dB)"


@dataclass(frozen=True)
class TrajectoryMeasure:
    """Measure of the networks of `networks/`: the trajectory in metres, curvature and acceleration."""

    headline: str = f"position_{HORIZONS_S[-1]}s"
    strictest: str = "anywhere"
    outputs: tuple[str, ...] = ("trajectory", "curvature", "acceleration")

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        positions = {f"position_{seconds}s": Quantity("m", f"position at {seconds} s") for seconds in HORIZONS_S}
        return positions | {
            "anywhere": Quantity("m", "position at any time"),
            "curvature": Quantity("1/m", "curvature"),
            "acceleration": Quantity("m/s²", "acceleration"),
        }

    def read(self, outputs: Mapping[str, np.ndarray], /) -> Mapping[str, Rows]:
        path = outputs["trajectory"][:, :2]
        rows = {f"position_{seconds}s": round(seconds / WAYPOINT_STEP_S) - 1 for seconds in HORIZONS_S}
        return {name: path[row : row + 1] for name, row in rows.items()} | {
            "anywhere": path,
            "curvature": outputs["curvature"].reshape(1, -1),
            "acceleration": outputs["acceleration"].reshape(1, -1),
        }


@dataclass(frozen=True)
class OutputMeasure:
    """Measure of a model without a known plan: its outputs, each divided by its magnitude.

    `magnitudes`: output -> root mean square, such as `output_magnitudes` measures.
    """

    magnitudes: Mapping[str, float]
    headline: str = "outputs"
    strictest: str = "outputs"

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.magnitudes)

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        return {"outputs": Quantity(RELATIVE, "the output that differs most")}

    def read(self, outputs: Mapping[str, np.ndarray], /) -> Mapping[str, Rows]:
        rows = []
        for name, magnitude in self.magnitudes.items():
            values = np.asarray(outputs[name], np.float64).reshape(-1)
            rows.append(values / (magnitude * np.sqrt(max(values.size, 1))))
        return {"outputs": rows}


def output_magnitudes(
    runner: Runner, clips: Iterable[Clip], names: Iterable[str] | None = None, ticks: int = 64
) -> dict[str, float]:
    """Root mean square of every float output, or of those named, over the first ticks of every clip.

    Raises:
        ModelError: no output is a number that varies.
    """
    wanted = None if names is None else set(names)
    squares: dict[str, float] = {}
    counts: dict[str, int] = {}
    for clip in clips:
        runner.reset()
        for step in islice(clip, ticks):
            for name, values in runner.step(step).items():
                if (wanted is None or name in wanted) and np.issubdtype(values.dtype, np.floating):
                    squares[name] = squares.get(name, 0.0) + float(np.square(values, dtype=np.float64).sum())
                    counts[name] = counts.get(name, 0) + values.size
    found = {name: float(np.sqrt(squares[name] / max(counts[name], 1))) for name in squares}
    found = {name: magnitude for name, magnitude in found.items() if magnitude > 0}
    if not found:
        raise ModelError("The model's outputs are all zero on these clips: there is nothing to compare.")
    return found


def _lengths(difference: np.ndarray) -> np.ndarray:
    """(N,) lengths of the rows of (N, D)."""
    if difference.shape[-1] == 2:
        return np.hypot(difference[:, 0], difference[:, 1])
    return np.abs(difference[:, 0]) if difference.shape[-1] == 1 else np.linalg.norm(difference, axis=-1)


def _nan_last(value: float) -> float:
    return np.inf if np.isnan(value) else value
