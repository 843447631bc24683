"""The MODEL of `fsd export MODEL`: an ONNX file, a PyTorch model, or our own weights, as one ONNX model to quantize.

Formats that hold no graph are refused, with what to do instead.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from fsd.data.errors import ModelError
from fsd.export.config import DEFAULT_OPSET
from fsd.export.onnx_file import read_onnx, with_fixed_axes
from fsd.export.torch_module import TorchModel, load_function, load_program
from fsd.networks.load_errors import check_format

Kind = Literal["onnx", "function", "pt2", "weights"]

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_SUFFIXES: dict[str, Kind] = {".onnx": "onnx", ".pt2": "pt2", ".safetensors": "weights"}


@dataclass(frozen=True)
class LoadedModel:
    """A third-party model: `model` with static shapes and its weights in memory.

    Attributes:
        origin: what the user named.
        name: for the names of the files.
        torch: the PyTorch model that it was made of; None for an ONNX file.
    """

    origin: str
    name: str
    model: onnx.ModelProto
    torch: TorchModel | None = None


def kind_of(model: str) -> Kind:
    """What the user named.

    Raises:
        ModelError: it is a format that cannot be exported; says what to do instead.
    """
    suffix = Path(model).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    check_format(model)
    if _FUNCTION.fullmatch(model):
        return "function"
    raise ModelError(
        f"{model} is no model: name an .onnx file, a .pt2 file of `torch.export.save`, `module:function` that returns "
        "a torch.nn.Module, or .safetensors weights of `fsd train`."
    )


def load_source(
    model: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    example: Mapping[str, Any] | None = None,
    opset: int = DEFAULT_OPSET,
) -> LoadedModel:
    """Load a third-party model.

    Args:
        model: an ONNX file, a `.pt2` file, or `module:function`.
        shapes: input -> its shape, for inputs with free axes.
        example: inputs by argument of `forward`, for a function that returns a module alone.
        opset: of the graph that is made of a PyTorch model; an ONNX file keeps its own.

    Raises:
        ModelError: one line that says what is wrong with the model and how to fix it.
        ValueError: these are weights of ours, which are no model of their own.
    """
    kind = kind_of(model)
    if kind == "weights":
        raise ValueError(f"{model} holds our own weights: load them with `load_weights`.")
    if kind == "onnx":
        path = Path(model)
        return LoadedModel(model, path.stem, read_onnx(path, shapes))
    loaded = load_function(model, example) if kind == "function" else load_program(Path(model))
    name = model.partition(":")[0].rpartition(".")[2] if kind == "function" else Path(model).stem
    return LoadedModel(model, name, with_fixed_axes(loaded.to_onnx(opset), model, shapes or {}), loaded)
