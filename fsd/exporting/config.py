"""Settings of `fsd export` for a third-party model, validated on construction. Does not import torch."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import OptionError, Options, option
from fsd.export.config import DEFAULT_OPSET, OPSETS, ModelExportConfig


@dataclass(frozen=True, kw_only=True)
class FineTuningOptions(Options):
    """Fine-tuning of a PyTorch model before it is quantized."""

    heading = "fine-tuning"

    qat: tuple[Path, ...] = option(
        (),
        "recordings to fine-tune a PyTorch model on before INT8: with rounded weights it learns its own float outputs",
        may_be_empty=True,
        metavar="CLIP",
        default_text="none",
    )
    steps: int = option(200, "steps of fine-tuning", at_least=1)


@dataclass(frozen=True, kw_only=True)
class AdaptedExportConfig(FineTuningOptions, ModelExportConfig):
    """Settings of an export of a third-party model.

    `model`: an ONNX file, several that run one after the other, a `.pt2` file, or `module:function`.
    """

    model: tuple[str, ...] = option(
        (),
        "what to export: .safetensors weights of `fsd train`, or with --adapter an .onnx file (several run one after "
        "the other), a .pt2 file, or module:function that returns a torch.nn.Module",
        flag="",
        may_be_empty=True,
        metavar="MODEL",
        default_text="the packaged weights",
    )
    adapter: Path | None = option(
        None,
        "JSON file that maps the inputs and outputs of a third-party MODEL, or the name of a ready one, see "
        "docs/adapter.md",
        default_text="none",
    )
    opset: int = option(DEFAULT_OPSET, "version of the ONNX operator set", choices=OPSETS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.qat and "int8" not in self.variants:
            raise OptionError("qat", "prepares the INT8 file, which is not written: leave it out, or add int8")
