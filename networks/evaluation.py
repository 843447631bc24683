"""Imitation metrics on whole recorded episodes, with the memory rolled out as at run time.

Open loop: the recorded driver drives. Closed-loop driving is measured by `fsd drive`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fsd.compression.tick import MEMORY_SLOTS
from fsd.networks.contract import (
    KEY_SIZE,
    OCCUPANCY_COLUMNS,
    OCCUPANCY_ROWS,
    PROPRIO_SIZE,
    SLOT_TOKENS,
    WAYPOINT_STEP_S,
    input_shapes,
)
from fsd.networks.hard_examples import BRAKE_MPS2
from fsd.networks.model import DrivingNetwork
from fsd.networks.training_set import TrainingSet

ROW_1S, ROW_3S = round(1 / WAYPOINT_STEP_S) - 1, round(3 / WAYPOINT_STEP_S) - 1
MEASURED = ("trajectory", "curvature", "acceleration", "lead", "light", "occupancy")
EPISODES_AT_ONCE = 16


@dataclass(frozen=True)
class ImitationMetrics:
    """Differences from the recorded driver and the labels over all rows of a set; NaN where no row is labelled.

    Attributes:
        ade_3s_m: mean distance of the waypoints until 3 s; lateral_1s_m, along_3s_m: across at 1 s, along at 3 s.
        braking_share: commanded over wanted acceleration, of all rows in which the driver brakes by 1 m/s² or more.
        light_accuracy: over rows with a light; lead_mae_m: over rows with a lead.
        rows: how many rows the set has.
    """

    ade_3s_m: float
    lateral_1s_m: float
    along_3s_m: float
    curvature_mae_per_m: float
    curvature_correlation: float
    acceleration_mae_mps2: float
    braking_share: float
    light_accuracy: float
    lead_mae_m: float
    occupancy_f1: float
    rows: int


def evaluate(network: DrivingNetwork, episodes: TrainingSet, device: str = "cpu") -> ImitationMetrics:
    """Metrics over all rows of a set."""
    predictions, labels = [], []
    count = len(episodes.episodes)
    was_training = network.training
    network.eval()
    for first in range(0, count, EPISODES_AT_ONCE):
        rows, outputs = roll_out(network, episodes, range(first, min(first + EPISODES_AT_ONCE, count)), device)
        recorded = episodes.read(rows)
        labels.append({name: recorded[name] for name in MEASURED})
        predictions.append(outputs)
    network.train(was_training)
    joined = (
        {name: np.concatenate([part[name] for part in parts]) for name in MEASURED} for parts in (predictions, labels)
    )
    return _metrics(*joined)


class Sequences(Protocol):
    """Rows of drives, each with its own memory.

    Attributes:
        begins: (E + 1,) first row of each, and the number of rows; slot_row: (R, 112) the row that wrote each slot, -1
            for none.
    """

    begins: np.ndarray
    slot_row: np.ndarray

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Every array of an episode at rows (n,): name -> (n, …)."""


def roll_out(
    network: DrivingNetwork, episodes: Sequences, chosen: Sequence[int], device: str = "cpu"
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run episodes in parallel, row by row, each with its own memory.

    Returns:
        (R,) rows in the order of execution, and the measured outputs (R, …) at them.
    """
    keys = torch.zeros(len(chosen), MEMORY_SLOTS, SLOT_TOKENS, KEY_SIZE, device=device)
    values = torch.zeros_like(keys)
    begins = episodes.begins[list(chosen)]
    lengths = np.diff(episodes.begins)[list(chosen)]
    all_rows, outputs = [], []
    for tick in range(int(lengths.max())):
        running = np.flatnonzero(lengths > tick)
        rows = begins[running] + tick
        recorded = episodes.read(rows)
        inputs = network_inputs(network, recorded, device)
        is_written = torch.from_numpy(episodes.slot_row[rows] >= 0).to(device)
        inputs["memory_valid"] = inputs["memory_valid"] * is_written
        index = torch.from_numpy(running).to(device)
        with torch.inference_mode():
            prediction = network(memory_k=keys[index], memory_v=values[index], **inputs)
        for place, lane in enumerate(running):
            slots = recorded["commit_slots"][place]
            written = torch.from_numpy(slots[slots >= 0].astype(np.int64)).to(device)
            keys[lane, written], values[lane, written] = prediction["new_k"][place], prediction["new_v"][place]
        all_rows.append(rows)
        outputs.append({name: prediction[name].float().cpu().numpy() for name in MEASURED})
    return np.concatenate(all_rows), {name: np.concatenate([part[name] for part in outputs]) for name in MEASURED}


def network_inputs(network: DrivingNetwork, recorded: dict[str, np.ndarray], device: str) -> dict[str, Tensor]:
    """The recorded inputs as tensors, and inputs that are never recorded as zeros; without the memory."""
    names = set(input_shapes(network.config.budget)) - {"memory_k", "memory_v", "proprio", "proprio_valid"}
    inputs = {name: torch.from_numpy(recorded[name]).to(device) for name in names}
    lead = recorded["ego"].shape[:-1]
    inputs["proprio"] = torch.zeros(*lead, PROPRIO_SIZE, device=device)
    inputs["proprio_valid"] = torch.zeros(*lead, 1, device=device)
    return inputs


def _metrics(predictions: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> ImitationMetrics:
    offset = predictions["trajectory"] - labels["trajectory"]
    distance_m = np.hypot(offset[..., 0], offset[..., 1])
    curvature, wanted = predictions["curvature"][:, 0], labels["curvature"][:, 0]
    acceleration, wanted_acceleration = predictions["acceleration"][:, 0], labels["acceleration"][:, 0]
    brakes = wanted_acceleration <= BRAKE_MPS2
    light = labels["light"][:, 0]
    has_light = light > 0
    has_lead = labels["lead"][:, 1] > 0.5
    cells = (len(offset), OCCUPANCY_ROWS, OCCUPANCY_COLUMNS)
    claimed, occupied = predictions["occupancy"].reshape(cells) > 0, labels["occupancy"] > 0
    known = labels["occupancy"] >= 0
    hits = float((claimed & occupied & known).sum())
    return ImitationMetrics(
        ade_3s_m=_mean(distance_m[:, : ROW_3S + 1]),
        lateral_1s_m=_mean(np.abs(offset[:, ROW_1S, 1])),
        along_3s_m=_mean(np.abs(offset[:, ROW_3S, 0])),
        curvature_mae_per_m=_mean(np.abs(curvature - wanted)),
        curvature_correlation=_correlation(curvature, wanted),
        acceleration_mae_mps2=_mean(np.abs(acceleration - wanted_acceleration)),
        braking_share=_mean(acceleration[brakes]) / _mean(wanted_acceleration[brakes]),
        light_accuracy=_mean((predictions["light"].argmax(axis=1) == light)[has_light]),
        lead_mae_m=_mean(np.abs(predictions["lead"][:, 0] - labels["lead"][:, 0])[has_lead]),
        occupancy_f1=2 * hits / max(float((claimed & known).sum() + (occupied & known).sum()), 1.0),
        rows=len(offset),
    )


def _mean(values: np.ndarray) -> float:
    """Mean of the known values; NaN if there are none."""
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if known.size else float("nan")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 2 or one[known].std() == 0 or other[known].std() == 0:
        return float("nan")
    return float(np.corrcoef(one[known], other[known])[0, 1])
