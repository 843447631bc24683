"""Inputs that our compressor fills, by the names and shapes of docs/model_contract.md."""

from fsd.adapting.draft import Draft
from fsd.compression.budget import ALL_BUDGETS
from fsd.networks.contract import input_shapes
from fsd.networks.onnx_session import Signature

_PICTURES = {"retina", "patches"}
"""Without one of these, names such as `ego` and `command` are any model's."""
_MEMORY = (("new_k", "memory_k"), ("new_v", "memory_v"))


def add_compressed(draft: Draft, inputs: Signature, outputs: Signature) -> None:
    """Describe the inputs that are the compressor's, with the budget that fits most of them."""
    recurrent = {name for _, name in _MEMORY}
    best: list[str] = []
    budget_name = ""
    for name, budget in ALL_BUDGETS.items():
        shapes = {tensor: spec for tensor, spec in input_shapes(budget).items() if tensor not in recurrent}
        fitting = [tensor for tensor, spec in shapes.items() if tensor in inputs and _is_same(inputs[tensor], spec)]
        if _PICTURES & set(fitting) and len(fitting) > len(best):
            best, budget_name = fitting, name
    if not best:
        return
    draft.compressed = {"budget": budget_name, "tensors": {tensor: tensor for tensor in best}}
    draft.used |= set(best)
    draft.note("compressed.budget", budget_name, "sure", "shapes of the compressor's output with this budget")
    draft.note("compressed.tensors", best, "sure", "names, shapes and types of docs/model_contract.md")
    for output, name in _MEMORY:
        if output in outputs and name in inputs:
            draft.used |= {output, name}
            reason = "the compressor names the slots that the output is written into"
            draft.add("state", {"output": output, "input": name, "slots": True}, [("", "sure", reason)])


def _is_same(found: tuple[tuple[int, ...], str], expected: tuple[tuple[int, ...], str]) -> bool:
    """Whether shape and type are the contract's, with or without a batch axis."""
    shape = found[0][1:] if len(found[0]) == len(expected[0]) + 1 and found[0][0] in (1, -1) else found[0]
    return (shape, found[1]) == expected
