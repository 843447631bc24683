"""Options of the network and its hardware, shared by replay, profile and drive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import OptionError, Options, option
from fsd.networks.devices import PROVIDERS
from fsd.runtime.divergence import UNITS
from fsd.runtime.second_network import SYNTAX, SecondNetwork, tolerance_pair


@dataclass(frozen=True, kw_only=True)
class NetworkFiles(Options):
    """The network: a file of `fsd export`, or with `adapter` a third-party ONNX model, in one file or several."""

    heading = "network"

    model: Path | tuple[Path, ...] | None = option(
        None,
        "ONNX file of the network, written by `fsd export`; with --adapter, any ONNX file, or several that run one "
        "after the other",
        default_text="the packaged network",
    )
    adapter: Path | None = option(
        None,
        "JSON file that maps the inputs and outputs of a third-party --model, or the name of a ready one, see "
        "docs/adapter.md",
        default_text="none",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.model, tuple) and len(self.model) == 1:
            object.__setattr__(self, "model", self.model[0])
        if self.adapter is not None and self.model is None:
            raise OptionError("adapter", "needs the model that it describes: give `--model` as well")
        if self.adapter is None and isinstance(self.model, tuple):
            raise OptionError("model", "names several files: give the `--adapter` that links them as well")


@dataclass(frozen=True, kw_only=True)
class ModelOptions(NetworkFiles):
    """The network, its hardware, and a second network that checks it."""

    heading = NetworkFiles.heading

    device: str = option(
        "cpu", "hardware that runs the network; there is no fallback to another one", choices=tuple(PROVIDERS)
    )
    threads: int = option(1, "CPU threads that run the network", at_least=1)
    cross_check: SecondNetwork | None = option(
        None,
        f"second network that runs on the same ticks and is compared with the first: {SYNTAX}; what is not given is as "
        "in the first. A difference over the tolerance ends in exit code 7",
        metavar="NETWORK",
        default_text="none",
        parse=SecondNetwork.parse,
    )
    cross_check_tolerance: Mapping[str, float] = option(
        default_factory=dict,
        help=f"largest difference of the two networks without an alarm. Names: {', '.join(UNITS)}",
        at_least=0,
        metavar="NAME=LIMIT",
        default_text="by what the two networks have in common, see docs/cross_check.md",
        parse=tolerance_pair,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cross_check_tolerance and self.cross_check is None:
            raise OptionError("cross_check_tolerance", "needs a second network: give `--cross-check` as well")
        for name in self.cross_check_tolerance:
            if name not in UNITS:
                raise OptionError("cross_check_tolerance", f"has no difference {name!r}; use {', '.join(UNITS)}")

    @property
    def model_files(self) -> tuple[Path, ...]:
        """The files that were named for the networks."""
        second = None if self.cross_check is None else self.cross_check.model
        return (*model_paths(self.model), *(path for path in (self.adapter, second) if path is not None))


def model_paths(model: Path | Sequence[Path] | None) -> tuple[Path, ...]:
    """The files of one model, of several that run one after the other, or of none."""
    if model is None or isinstance(model, Path):
        return () if model is None else (model,)
    return tuple(model)
