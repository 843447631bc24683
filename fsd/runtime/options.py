"""Options of the network and its hardware, shared by replay and profile."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import OptionError, Options, option
from fsd.networks.devices import PROVIDERS


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """The network: a file of `fsd export`, or with `adapter` a third-party ONNX model."""

    heading = "network"

    model: Path | None = option(
        None,
        "ONNX file of the network, written by `fsd export`; with --adapter, any ONNX file",
        default_text="the packaged network",
    )
    adapter: Path | None = option(
        None, "JSON file that maps the inputs and outputs of a third-party --model", default_text="none"
    )
    device: str = option(
        "cpu", "hardware that runs the network; there is no fallback to another one", choices=tuple(PROVIDERS)
    )
    threads: int = option(1, "CPU threads that run the network", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adapter is not None and self.model is None:
            raise OptionError("adapter", "needs the model that it describes: give `--model` as well")
