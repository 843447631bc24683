"""Which outputs are inputs of the next step: state pairs, shift registers, and links between models."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fsd.adapting.draft import Certainty, Draft, Tensors
from fsd.adapting.name_words import COMMAND, IMAGE, PATH, REGISTER, STATE, has_word, stem
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import TODO

_EGO = frozenset(["speed", "velocity", "vel", "yaw", "acceleration"])
_DRIVING = PATH | COMMAND | _EGO | IMAGE


class _Pair(NamedTuple):
    score: int
    output: str
    input: str
    certainty: Certainty
    reason: str


def add_links(draft: Draft, earlier: Sequence[Tensors], model: Tensors) -> None:
    """Outputs of earlier models that are inputs of this one in the same step."""
    for name, tensor in model.inputs.items():
        for other in earlier:
            same = [output for output, found in other.outputs.items() if found == tensor]
            match = name if name in same else next((each for each in same if stem(each) == stem(name)), None)
            if match is None or name in draft.used:
                continue
            reason = f"output of {other.file} with the same shape and type"
            draft.add("links", {"output": match, "input": name}, [("", "sure" if match == name else "likely", reason)])
            draft.used |= {match, name}


def add_state(draft: Draft, inputs: Signature, outputs: Signature) -> None:
    """State pairs, the best matches of names first."""
    candidates = sorted(_pairs(draft, inputs, outputs), key=lambda pair: -pair.score)
    for pair in candidates:
        if draft.used & {pair.output, pair.input}:
            continue
        draft.used |= {pair.output, pair.input}
        draft.add("state", {"output": pair.output, "input": pair.input}, [("", pair.certainty, pair.reason)])


def _pairs(draft: Draft, inputs: Signature, outputs: Signature) -> Iterator[_Pair]:
    for name, tensor in inputs.items():
        if name in draft.used:
            continue
        same = [output for output, found in outputs.items() if found == tensor and output not in draft.used]
        is_state = has_word(name, STATE)
        for output in same:
            alike = stem(name) == stem(output)
            if alike and (is_state or has_word(output, STATE) or not has_word(name, _DRIVING)):
                yield _Pair(3, output, name, "sure", "equal shape and type, and names alike")
            elif is_state and has_word(output, STATE):
                yield _Pair(2, output, name, "likely", "equal shape and type, and both names are of a state")
            elif is_state and len(same) == 1 and not has_word(output, PATH):
                yield _Pair(1, output, name, "likely", "the only output of its shape and type")


def add_registers(draft: Draft, inputs: Signature, outputs: Signature) -> None:
    """Inputs (1, N, D) that hold the last N values of an output, or of a part of a flat one."""
    for name, (shape, _) in inputs.items():
        axis = 1 if len(shape) >= 3 and shape[0] in (1, -1) else 0
        if name in draft.used or len(shape) not in (2, 3) or shape[axis] < 2 or -1 in shape[axis:]:
            continue
        if not has_word(name, REGISTER) or has_word(name, COMMAND | _EGO | IMAGE):
            continue
        width = math.prod(shape[axis + 1 :])
        sizes = {output: math.prod(found) for output, (found, _) in outputs.items() if -1 not in found[1:]}
        exact = [output for output, size in sizes.items() if abs(size) == width and output not in draft.used]
        flat = [output for output, size in sizes.items() if abs(size) > width]
        entry: dict[str, Any]
        if exact:
            entry = {"output": exact[0], "input": name, "axis": axis}
            notes: list[tuple[str, Certainty, str]] = [
                ("", "likely", f"the last {shape[axis]} values of an output of {width} numbers")
            ]
            draft.used.add(exact[0])
        elif flat:
            entry = {"output": flat[0], "input": name, "axis": axis, "start": TODO}
            notes = [("start", "TODO", f"where in {flat[0]!r} the {width} numbers begin")]
        else:
            continue
        draft.used.add(name)
        draft.add("shift_registers", entry, notes)
