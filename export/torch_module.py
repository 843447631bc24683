"""Load a PyTorch model that a function returns or `torch.export.save` wrote, and export it to ONNX.

Names come from the model itself: inputs are the arguments of `forward`, outputs the keys of the dict that it returns,
or positions.
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from fsd.data.errors import ModelError
from fsd.export.config import DEFAULT_OPSET
from fsd.export.onnx_export import name_nodes, quiet, strip
from fsd.networks.load_errors import check_content

EXAMPLE_FORM = 'Return `(module, {"view": torch.zeros(1, 3, 128, 256), …})`, one entry per argument of `forward`.'


@dataclass(frozen=True)
class TorchModel:
    """A PyTorch model and its traced program; `module` is None for a `.pt2`, which holds only the program.

    `example`: argument of `forward` -> what the program was traced with.
    """

    origin: str
    program: ExportedProgram
    module: nn.Module | None
    example: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def watched(self) -> nn.Module:
        """The module that `run` calls."""
        return self.module if self.module is not None else self.program.module()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name, computed by PyTorch."""
        with torch.inference_mode():
            return {name: value.numpy() for name, value in self.tensors(inputs).items()}

    def tensors(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Outputs as tensors, with gradients where they are enabled; does not write to `inputs`."""
        values = [torch.tensor(inputs[name]) for name in self.inputs]
        args, kwargs = pytree.tree_unflatten(values, self.program.call_spec.in_spec)
        return dict(zip(self.outputs, pytree.tree_leaves(self.watched(*args, **kwargs)), strict=True))

    def to_onnx(self, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
        """The model as ONNX, named after its modules and without source paths.

        Raises:
            ModelError: an operator has no ONNX form.
        """
        with quiet(), _own_errors(f"{self.origin} cannot be exported to ONNX"):
            program = torch.onnx.export(
                self.program,
                dynamo=True,
                opset_version=opset,
                input_names=list(self.inputs),
                output_names=list(self.outputs),
                optimize=True,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
        name_nodes(model)
        strip(model)
        return model


def load_function(text: str, example: Mapping[str, Any] | None = None) -> TorchModel:
    """The model that `module:function` returns: a module, or a module and its example inputs by name.

    Args:
        text: a module in the current folder or installed, and a function in it that takes no arguments.
        example: the inputs, where the function gives none.

    Raises:
        ModelError: names what is missing, what the function raised, or what it returned.
    """
    name, _, function = text.partition(":")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        with _own_errors(f"{text}: the module {name} cannot be imported"):
            found = importlib.import_module(name)
        maker = getattr(found, function, None)
        if not callable(maker):
            known = [each for each, value in vars(found).items() if inspect.isfunction(value)]
            raise ModelError(f"{name} has no function {function!r} (it has {', '.join(known) or 'none'}).")
        with _own_errors(f"{text} failed"):
            made = maker if isinstance(maker, nn.Module) else maker()
    finally:
        sys.path.remove(folder)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        made, given = made
        example = given if isinstance(given, Mapping) else _by_argument(made, given, text)
    if not isinstance(made, nn.Module):
        raise ModelError(f"{text} returned {type(made).__name__}, not a torch.nn.Module. {EXAMPLE_FORM}")
    if example is None:
        raise ModelError(f"{text} gives no example inputs, so their shapes are unknown. {EXAMPLE_FORM}")
    return trace(made.eval(), example, text)


def _by_argument(module: nn.Module, given: object, origin: str) -> dict[str, Any]:
    """Example inputs in the order of the arguments of `forward`, as `torch.export.export` takes them, by name."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in inspect.signature(module.forward).parameters.values() if each.kind in kinds]
    values = (
        [given] if isinstance(given, Tensor | np.ndarray) else list(given) if isinstance(given, tuple | list) else []
    )
    if not 0 < len(values) <= len(names):
        received = f"{len(values)} in a {type(given).__name__}" if values else type(given).__name__
        raise ModelError(
            f"{origin}: `forward` takes {', '.join(names) or 'nothing'}, and the example inputs are {received}. "
            f"{EXAMPLE_FORM}"
        )
    return dict(zip(names, values, strict=False))


def load_program(path: Path) -> TorchModel:
    """The model of a `.pt2` file of `torch.export.save`.

    Raises:
        ModelError: it is missing, empty, a Git LFS pointer, or no such file.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file {path}. Write one with `torch.export.save`.")
    check_content(path)
    with quiet(), _own_errors(f"{path} is no file of `torch.export.save`, or of a newer PyTorch"):
        program = torch.export.load(path)
    # Placeholders are named after the arguments of `forward`.
    names = tuple(str(name) for name in program.graph_signature.user_inputs)
    return TorchModel(str(path), program, None, {}, names, _output_names(program))


def trace(module: nn.Module, example: Mapping[str, Any], origin: str) -> TorchModel:
    """Trace a module with example inputs: argument of `forward` -> tensor, array, or nested tuples of them.

    Raises:
        ModelError: the example does not fit `forward`, or `torch.export` cannot trace it.
    """
    tensors = pytree.tree_map(_tensor, dict(example))
    wrong = [
        name for name, value in tensors.items() if not all(isinstance(x, Tensor) for x in pytree.tree_leaves(value))
    ]
    if wrong:
        raise ModelError(f"{origin}: the example of {', '.join(wrong)} is no tensor. {EXAMPLE_FORM}")
    kinds = {each.name: each for each in inspect.signature(module.forward).parameters.values()}
    is_positional = any(each.kind is each.VAR_POSITIONAL for each in kinds.values())
    takes_any = is_positional or any(each.kind is each.VAR_KEYWORD for each in kinds.values())
    missing = [
        name
        for name, each in kinds.items()
        if name not in tensors
        and each.default is each.empty
        and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    unknown = [] if takes_any else [name for name in tensors if name not in kinds]
    if (missing and not is_positional) or unknown:
        raise ModelError(
            f"{origin}: `forward` takes {', '.join(kinds)}, and the example inputs are {', '.join(tensors)}. "
            f"{EXAMPLE_FORM}"
        )
    # In the order of `forward`, which is the order of the graph's inputs.
    ordered = {name: tensors[name] for name in kinds if name in tensors} | tensors
    args, kwargs = (tuple(ordered.values()), {}) if is_positional else ((), ordered)
    with quiet(), torch.no_grad(), _own_errors(f"{origin} cannot be traced by torch.export"):
        program = torch.export.export(module, args, kwargs)
    names = tuple(map(str, program.graph_signature.user_inputs))
    if is_positional and len(names) == len(ordered):
        names = tuple(ordered)
    return TorchModel(origin, program, module, ordered, names, _output_names(program))


def _output_names(program: ExportedProgram) -> tuple[str, ...]:
    """Keys of the returned dict; `output` for one tensor, `output_0` … for several."""
    spec = program.call_spec.out_spec
    assert spec is not None
    places = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))[0]
    names = ["_".join(str(_key(part)) for part in path) for path, _ in places]
    return tuple(f"output_{name}" if name[:1].isdigit() else name or "output" for name in names)


def _key(part: Any) -> object:
    """A step of a path: the key of a dict, the position in a tuple, or the name of a field."""
    return next(getattr(part, name) for name in ("key", "idx", "name") if hasattr(part, name))


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    """Turn any error of the user's code, or of PyTorch about it, into one line that names the place."""
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        frames = traceback.extract_tb(cause.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename and "<" not in frame.filename]
        place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if len(own) > 1 else ""
        raise ModelError(f"{what}: {type(cause).__name__}: {lines[0] if lines else 'no message'}{place}") from error
