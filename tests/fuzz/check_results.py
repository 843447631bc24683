"""Independent readings of models, weights and results, and a comparison with what the program understood."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.fuzz.check import expect, plain_table, rises, within


def nothing_more(folder: Path, result: Any) -> None:
    """For what has no plain counterpart: JSON was printed, and that is all."""


def adapter(folder: Path, found: Any) -> None:
    within(json.loads((folder / "adapter.json").read_bytes()), msgspec.to_builtins(found))


def plans(folder: Path, found: Any) -> None:
    for plan in found:
        values = np.concatenate([np.ravel(plan.trajectory), [plan.curvature_per_m, plan.acceleration_mps2]])
        expect(np.isfinite(values).all(), "the plan is not finite")
        expect(np.abs(values).max() <= 1e5, f"the plan holds {np.abs(values).max():g}")


def weights(folder: Path, found: Any) -> None:
    network, header = found
    data = (folder / "weights.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    stated = json.loads(data[8 : 8 + length])
    within(json.loads(stated.pop("__metadata__")["fsd"]), msgspec.to_builtins(header))
    state = network.state_dict()
    expect(len(state) == len(stated), f"{len(state)} tensors of {len(stated)}")
    for name, tensor in state.items():
        start, end = (8 + length + offset for offset in stated[name]["data_offsets"])
        kind = {"F32": np.float32, "I64": np.int64}[stated[name]["dtype"]]
        values = np.frombuffer(data[start:end], kind)
        expect(list(tensor.shape) == stated[name]["shape"], f"{name} has another shape")
        expect(np.array_equal(tensor.numpy().ravel(), values, equal_nan=True), f"{name} has other values")
        expect(np.isfinite(values).all(), f"{name} is not finite")


def checkpoint(folder: Path, found: Any) -> None:
    network, step = found
    data = (folder / "checkpoint.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    stated = json.loads(data[8 : 8 + length])
    expect(step == int(json.loads(stated["__metadata__"]["fsd-checkpoint"])["step"]), f"step {step}")
    for name, tensor in network.state_dict().items():
        start, end = (8 + length + offset for offset in stated[f"network.{name}"]["data_offsets"])
        values = np.frombuffer(data[start:end], np.float32)
        expect(np.array_equal(tensor.detach().numpy().ravel(), values, equal_nan=True), f"{name} has other values")


def routes(folder: Path, found: Any) -> None:
    """Each score that is taken over stands in a line of its driver, scenario and seed."""
    lines = []
    for line in (folder / "routes.jsonl").read_text("utf-8-sig").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    for job, score in found.items():
        rows = [each for each in lines if isinstance(each, dict) and job == tuple(map(each.get, ROUTE))]
        stated = [row.get("driving_score") for row in rows]
        expect(score.driving_score in [each for each in stated if isinstance(each, int | float)], f"{job}: {stated}")


ROUTE = ("driver", "scenario", "seed")


def summary(folder: Path, found: Any) -> None:
    text = (folder / "summary.json").read_bytes().decode("utf-8", "replace")  # fields that are not known are skipped
    within(json.loads(text), msgspec.to_builtins(found))


def runs(folder: Path, found: Any) -> None:
    """The common ticks and the largest differences, by dictionaries."""
    tables = []
    for name in "ab":
        plan, ticks = (plain_table(folder / name / f"{each}.parquet") for each in ("plan", "ticks"))
        rows = plan.to_pylist()[: min(plan.num_rows, ticks.num_rows)]
        expect(len({row["t_ns"] for row in rows}) == len(rows), f"{name} has a tick time twice")
        tables.append({row["t_ns"]: row for row in rows})
    a, b = tables
    common = sorted(a.keys() & b.keys())
    expect(found["common_ticks"] == len(common), f"{found['common_ticks']} common ticks, the tables have {len(common)}")
    paths = [
        math.hypot(a[t]["x_m"][k] - b[t]["x_m"][k], a[t]["y_m"][k] - b[t]["y_m"][k]) for t in common for k in range(12)
    ]
    largest = found["differences"]["path_m"]["max"]
    expect(
        math.isclose(largest, max(paths), rel_tol=1e-5, abs_tol=1e-6), f"path_m {largest}, {max(paths)} in the tables"
    )


def replay(folder: Path, found: Any) -> None:
    """A replay has one finite plan per tick, at rising times."""
    printed, out = found
    plan = plain_table(out / "plan.parquet")
    expect(plan.num_rows == printed["ticks"], f"{plan.num_rows} plans, {printed['ticks']} ticks")
    rises(plan["t_ns"].to_pylist(), "tick times")
    for name in ("x_m", "y_m", "yaw_rad", "v_mps"):
        values = np.array(plan[name].to_pylist(), np.float64)
        expect(np.isfinite(values).all() and np.abs(values).max(initial=0) < 1e5, f"{name} of a plan is not believable")
