"""Which single-bit faults of one network a second network notices within three ticks, as `--cross-check` does.

A bit is flipped at a random place: in the weights of the packaged INT8 model when it is loaded, or in its recurrent
state between two ticks. The network with the fault is compared with an intact one of the same file, where every bit
must be the same, and with the FP32 network under the default tolerances. A fault has an effect if any bit of an output
changes, and is harmful if a waypoint moves by more than 0.1 m within these ticks.

    python benchmarks/bit_flips.py CLIP --fp32 f100_fp32.onnx [--quick] [--weight-flips N] [--state-flips N]
"""

import argparse
import copy
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from tqdm import tqdm

from fsd.data.errors import ModelError
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.input_buffers import TickInput
from fsd.networks.onnx_session import open_session
from fsd.runtime.cross_check import Answer, compare_answers
from fsd.runtime.divergence import CrossCheckSettings
from fsd.runtime.engine import Engine, packaged_model
from fsd.runtime.plan import Plan
from fsd.runtime.second_network import LIMITS

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

NOTICED_TICKS = 3
HARMFUL_M = 0.1
FAULT_TICKS = (20, 60, 110)
"""Ticks at which faults occur; each in turn."""

SAME = CrossCheckSettings("", "", "cpu", 1, "same", LIMITS["same"])
PRECISION = CrossCheckSettings("", "", "cpu", 1, "precision", LIMITS["precision"])


class Flip(NamedTuple):
    """A flipped bit: the kind of number, and its bit, 0 the lowest."""

    dtype: str
    bit: int

    @property
    def field(self) -> str:
        """The part of the number that the bit belongs to."""
        if self.dtype != "float32":
            return "high half" if self.bit >= 4 * np.dtype(self.dtype).itemsize else "low half"
        if self.bit == 31:
            return "sign"
        return "exponent" if self.bit >= 23 else "fraction, high half" if self.bit >= 12 else "fraction, low half"


def flip_bit(array: np.ndarray, rng: np.random.Generator) -> Flip:
    """Flip one bit of a contiguous array in place, each with the same probability."""
    size = array.dtype.itemsize
    place, bit = int(rng.integers(array.size)), int(rng.integers(8 * size))
    array.reshape(-1).view(f"u{size}")[place] ^= np.array(1 << bit, f"u{size}")
    return Flip(array.dtype.name, bit)


def flip_weight(model: onnx.ModelProto, rng: np.random.Generator) -> tuple[bytes, Flip]:
    """A serialised copy of a model with one flipped bit among all its numbers."""
    changed = copy.deepcopy(model)
    numbers = [each for each in changed.graph.initializer if each.data_type != TensorProto.INT64]  # shapes
    sizes = np.array([numpy_helper.to_array(each).nbytes for each in numbers])
    weight = numbers[int(rng.choice(len(numbers), p=sizes / sizes.sum()))]
    values = np.ascontiguousarray(numpy_helper.to_array(weight)).copy()
    flip = flip_bit(values, rng)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return changed.SerializeToString(), flip


class Start(NamedTuple):
    """A moment of a drive: the intact network's state, the ticks that follow, and the intact networks' answers."""

    memory: dict[str, np.ndarray]
    steps: list[TickInput]
    same: list[Answer]
    float32: list[Answer]


class Outcome(NamedTuple):
    """What one fault did within `NOTICED_TICKS`."""

    flip: Flip
    has_effect: bool
    moved_m: float
    noticed_same: bool
    noticed_precision: bool


def main() -> None:
    """Flip bits and print how many were noticed."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--fp32", type=Path, required=True, help="FP32 file of the packaged weights, by `fsd export`")
    parser.add_argument("--quick", action="store_true", help="60 flips of each kind")
    parser.add_argument("--weight-flips", type=int, default=1000)
    parser.add_argument("--state-flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    weight_flips, state_flips = (60, 60) if arguments.quick else (arguments.weight_flips, arguments.state_flips)
    starts = _starts(arguments.clip, arguments.fp32)
    rng = np.random.default_rng(arguments.seed)
    metrics: dict[str, float] = {}
    for where, inject, flips in (("state", _state_faults, state_flips), ("weights", _weight_faults, weight_flips)):
        found = inject(starts, flips, rng)
        _print_table(where, found)
        effective, harmful = [each for each in found if each.has_effect], [each for each in found if _is_harmful(each)]
        metrics |= {
            f"{where}_flips": len(found),
            f"{where}_with_effect": len(effective),
            f"{where}_effect_noticed_same": sum(each.noticed_same for each in effective),
            f"{where}_noticed_same": sum(each.noticed_same for each in found),
            f"{where}_noticed_precision": sum(each.noticed_precision for each in found),
            f"{where}_harmful": len(harmful),
            f"{where}_harmful_noticed_precision": sum(each.noticed_precision for each in harmful),
        }
    finish("bit_flips", metrics, min(weight_flips, state_flips), f"{arguments.clip.name}, seed {arguments.seed}")


def _starts(clip: Path, fp32: Path) -> list[Start]:
    """Run both intact networks over the clip and keep the moments at which faults will occur."""
    int8, float32 = Engine(), Engine(fp32)
    starts: list[Start] = []
    for step in RecordedClip(clip, int8.budget, max_ticks=FAULT_TICKS[-1] + NOTICED_TICKS):
        if step.tick.tick in FAULT_TICKS:
            memory = {name: int8.inputs[name].copy() for _, name in int8.metadata.state}
            starts.append(Start(memory, [], [], []))
        answers = _answer(int8, step), _answer(float32, step)
        if starts and len(starts[-1].steps) < NOTICED_TICKS:
            starts[-1].steps.append(step._replace(tick=step.tick.copy()))
            for kept, answer in zip(starts[-1][2:], answers, strict=True):
                kept.append(_kept(answer))
    return starts


def _answer(engine: Engine, step: TickInput) -> Answer:
    outputs = engine.step(*step)
    health = "ok" if engine.plan_source == "network" else f"plan={engine.plan_source}"
    plan = Plan.from_outputs(step.tick.tick, step.tick.timestamp_ns, outputs, health)
    return Answer(engine.metadata.state, engine.inputs, outputs, plan)


def _kept(answer: Answer) -> Answer:
    inputs, outputs = ({name: array.copy() for name, array in each.items()} for each in (answer.inputs, answer.outputs))
    return answer._replace(inputs=inputs, outputs=outputs)


def _weight_faults(starts: list[Start], flips: int, rng: np.random.Generator) -> list[Outcome]:
    model = onnx.load(packaged_model())
    found: list[Outcome] = []
    refused = 0
    for index in tqdm(range(flips)):
        start = starts[index % len(starts)]
        content, flip = flip_weight(model, rng)
        try:
            engine = Engine(session_factory=lambda _, *place, content=content: open_session(content, *place))
        except ModelError:  # ONNX Runtime refuses some scales and zero points
            refused += 1
            continue
        for name, array in start.memory.items():
            engine.inputs[name][:] = array
        found.append(_outcome(engine, start, flip))
    print(f"refused when loaded, and not counted: {refused}")
    return found


def _state_faults(starts: list[Start], flips: int, rng: np.random.Generator) -> list[Outcome]:
    engine, found = Engine(), []
    for index in tqdm(range(flips)):
        start = starts[index % len(starts)]
        engine.reset()
        for name, array in start.memory.items():
            engine.inputs[name][:] = array
        array = engine.inputs[list(start.memory)[int(rng.integers(len(start.memory)))]]
        found.append(_outcome(engine, start, flip_bit(array, rng)))
    return found


def _outcome(engine: Engine, start: Start, flip: Flip) -> Outcome:
    has_effect = noticed_same = noticed_precision = False
    moved_m = 0.0
    for step, same, float32 in zip(start.steps, start.same, start.float32, strict=True):
        answer = _answer(engine, step)
        values, alarms = compare_answers(same, answer, SAME)
        noticed_same |= bool(alarms)
        noticed_precision |= bool(compare_answers(float32, answer, PRECISION)[1])
        has_effect |= any(array.tobytes() != same.outputs[name].tobytes() for name, array in answer.outputs.items())
        moved_m = max(moved_m, values["waypoints_m"] or 0.0)
    return Outcome(flip, has_effect, moved_m, noticed_same, noticed_precision)


def _is_harmful(outcome: Outcome) -> bool:
    return outcome.moved_m > HARMFUL_M


def _print_table(where: str, outcomes: list[Outcome]) -> None:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        groups[f"{each.flip.dtype}, {each.flip.field}"].append(each)
    print(f"\n{where}: noticed within {NOTICED_TICKS} ticks")
    print(
        f"{'bit':28s} {'flips':>6s} {'effect':>7s} {'same file':>10s} {'FP32':>6s} {'harmful':>8s} {'of it, FP32':>12s}"
    )
    for name, group in [*sorted(groups.items()), ("all", outcomes)]:
        harmful = [each for each in group if _is_harmful(each)]
        print(
            f"{name:28s} {len(group):6d} {sum(each.has_effect for each in group):7d} "
            f"{sum(each.noticed_same for each in group):10d} {sum(each.noticed_precision for each in group):6d} "
            f"{len(harmful):8d} {sum(each.noticed_precision for each in harmful):12d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
