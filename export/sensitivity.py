"""Which layers of the network lose the plan when they are quantized, in metres, and which to leave in float.

Every variant drives the same recorded ticks on its own memory. It knows what a layer costs in accuracy, not in time.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx

from fsd.compression.budget import Budget
from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration, Clip
from fsd.export.ort_session import OnnxRunner, open_session
from fsd.export.quantize import layers_of, quantize
from fsd.export.recipes import Recipe
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.networks.feeds import Step

HORIZON_S = 3
Say = Callable[[str], None]


@dataclass(frozen=True)
class LayerEffect:
    """One layer's effect on the plan: mean distance from the float plan at 3 s, metres.

    Attributes:
        layer: the network's module.
        alone_m: with nothing but this layer quantized.
        spared_m: with everything but this layer quantized.
    """

    layer: str
    alone_m: float
    spared_m: float


@dataclass(frozen=True)
class Sensitivity:
    """`effects`, worst first by `alone_m`; `all_m` with every layer quantized; over `ticks` rolled-out ticks."""

    effects: tuple[LayerEffect, ...]
    all_m: float
    ticks: int

    def table(self, rows: int | None = None) -> str:
        """For people: a line a layer."""
        lines = [f"{'layer':34s} {'alone m':>9s} {'all but it m':>13s}   (all quantized: {self.all_m:.4f} m at 3 s)"]
        lines += [f"{effect.layer:34s} {effect.alone_m:9.4f} {effect.spared_m:13.4f}" for effect in self.effects[:rows]]
        return "\n".join(lines)


class QuantizationTrial:
    """Quantizes a model in any mix and tells how far its plans go from the float model's on the same drive.

    Args:
        clips: drives; `ticks` of them are copied and used for every trial, the same share of each.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        calibration: Calibration,
        recipe: Recipe,
        budget: Budget,
        clips: Sequence[Clip],
        ticks: int,
    ) -> None:
        self.model, self.calibration, self.recipe, self.budget = model, calibration, recipe, budget
        self.layers = list(layers_of(model))
        share = -(-ticks // len(clips))
        # Copies: a recording's step is valid only until the next one, and decoding for every trial would take hours.
        self.drives = [[deepcopy(step) for step in islice(clip, share)] for clip in clips]
        self.ticks = sum(len(drive) for drive in self.drives)
        if self.ticks == 0:
            raise ModelError("There is nothing to measure layers on: the clips given with `--data` hold no tick.")
        self._reference_m = self._positions_m(model)

    def distance_m(self, keep_float: Iterable[str] = ()) -> float:
        """Mean distance from the float plan at 3 s, with all but these layers quantized."""
        kept = set(keep_float)
        if kept.issuperset(self.layers):
            return 0.0
        planned_m = self._positions_m(quantize(self.model, self.calibration, self.recipe, kept))
        return float(np.hypot(*(planned_m - self._reference_m).T).mean())

    def _positions_m(self, model: onnx.ModelProto) -> np.ndarray:
        """(T, 2) where each plan is at 3 s."""
        runner = OnnxRunner(open_session(model), self.budget)
        row = round(HORIZON_S / WAYPOINT_STEP_S) - 1
        positions: list[np.ndarray] = []
        for drive in self.drives:
            runner.reset()
            positions += [_position(runner, step, row) for step in drive]
        return np.array(positions)


def measure(trial: QuantizationTrial, say: Say = lambda words: None) -> Sensitivity:
    """Try every layer alone, and every layer spared."""
    effects = []
    for index, layer in enumerate(trial.layers):
        say(f"layer {index + 1} of {len(trial.layers)}: {layer}")
        others = [other for other in trial.layers if other != layer]
        effects.append(LayerEffect(layer, trial.distance_m(others), trial.distance_m([layer])))
    effects.sort(key=lambda effect: (-effect.alone_m, effect.layer))
    return Sensitivity(tuple(effects), trial.distance_m(), trial.ticks)


def choose_float_layers(trial: QuantizationTrial, sensitivity: Sensitivity, limit_m: float) -> tuple[list[str], float]:
    """Leave the worst layers in float, one after another, until the mean distance at 3 s is within `limit_m`.

    Returns:
        The layers, worst first, and the distance that is left.

    Raises:
        ModelError: nothing is left to quantize before the limit holds.
    """
    kept: list[str] = []
    left_m = sensitivity.all_m
    for effect in sensitivity.effects:
        if left_m <= limit_m:
            return kept, left_m
        kept.append(effect.layer)
        left_m = trial.distance_m(kept)
    if left_m <= limit_m and len(kept) < len(trial.layers):
        return kept, left_m
    raise ModelError(
        f"No mix of layers keeps the plan within {limit_m:g} m of float at 3 s (all quantized: "
        f"{sensitivity.all_m:.3f} m). Allow more with `--mixed`, or calibrate on more clips with `--data`."
    )


def _position(runner: OnnxRunner, step: Step, row: int) -> np.ndarray:
    return runner.step(step)["trajectory"][row, :2].astype(np.float64)
