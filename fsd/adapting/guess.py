"""Guess a whole adapter from the names, shapes and types of a model's inputs and outputs."""

from collections.abc import Sequence

from fsd.adapting.draft import Draft, Tensors
from fsd.adapting.guess_compressed import add_compressed
from fsd.adapting.guess_images import add_images
from fsd.adapting.guess_inputs import add_other_inputs
from fsd.adapting.guess_outputs import add_outputs
from fsd.adapting.guess_state import add_links, add_registers, add_state
from fsd.adapting.name_words import words_in
from fsd.third_party.adapter import TODO


def guess_adapter(name: str, models: Sequence[Tensors]) -> Draft:
    """A first adapter for a model, or for several that run one after the other.

    Args:
        name: of the adapter.
        models: in the order in which they run.
    """
    draft = Draft(name)
    for place, model in enumerate(models):
        add_links(draft, models[:place], model)
    for model in models:
        add_compressed(draft, model.inputs, model.outputs)
        add_state(draft, model.inputs, model.outputs)
    outputs = {output: tensor for model in models for output, tensor in model.outputs.items()}
    for model in models:
        add_registers(draft, model.inputs, outputs)
    for model in models:
        add_images(draft, model.inputs)
        add_other_inputs(draft, model.inputs)
        _fix_shapes(draft, model)
    add_outputs(draft, outputs)
    if "images" not in draft.lists and not draft.compressed:
        draft.add("images", {"name": TODO}, [("name", "TODO", "no input looks like an image")])
    return draft


def _fix_shapes(draft: Draft, model: Tensors) -> None:
    """Sizes of free axes: 1 for a batch, and for the user to decide elsewhere."""
    for name, (shape, _) in model.inputs.items():
        if -1 not in shape:
            continue
        sizes = [size if size != -1 else 1 if place == 0 else TODO for place, size in enumerate(shape)]
        draft.shapes[name] = sizes
        is_batch_only = TODO not in sizes
        grows = len(shape) >= 3 and {"past", "key", "value", "cache"} & set(words_in(name))
        reason = "the free first axis is a batch of 1"
        if not is_batch_only:
            reason = "a cache that grows: export it with a fixed length" if grows else "write the sizes to run with"
        draft.note(f"shapes.{name}", sizes, "likely" if is_batch_only else "TODO", reason)
