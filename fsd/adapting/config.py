"""Settings of `fsd adapter init` and `fsd adapter check`."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import Options, option, results_folder
from fsd.data.recording_options import RecordingOptions
from fsd.data.result_record import SUMMARY_FILE
from fsd.networks.devices import PROVIDERS

SHEET_FILE, PAGE_FILE = "inputs.png", "adapter_check.html"

RESULT_FILES = (SHEET_FILE, PAGE_FILE, SUMMARY_FILE)
"""What a check writes."""


@dataclass(frozen=True, kw_only=True)
class AdapterInitConfig(Options):
    """Settings of a first adapter."""

    models: tuple[Path, ...] = option(
        help="ONNX file; several where one network is split, in the order in which they run. Or a PyTorch model: "
        "`module:function` or a .pt2 file, as for `fsd export`",
        flag="",
        metavar="MODEL",
    )
    out: Path = option(Path("adapter.json"), "file for the adapter; an existing one is never replaced", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class AdapterCheckConfig(RecordingOptions):
    """Settings of a check; `max_ticks` is `--ticks`."""

    model: Path = option(help="ONNX file of the network", flag="", metavar="MODEL")
    max_ticks: int | None = option(108, "ticks to run, 36 per second of recording", at_least=2, flag="--ticks")
    more_models: tuple[Path, ...] = option(
        (),
        "further ONNX files of a network that is split, in the order in which they run",
        may_be_empty=True,
        flag="--then",
        metavar="MODEL",
        default_text="none",
    )
    adapter: Path = option(
        Path("adapter.json"), "adapter file, or the name of a ready adapter (docs/adapter.md)", metavar="FILE"
    )
    out: Path = results_folder("out/adapter_check")
    strict: bool = option(False, "end with exit code 7 if anything is suspicious")
    device: str = option(
        "cpu", "hardware that runs the network; there is no fallback to another one", choices=tuple(PROVIDERS)
    )
    threads: int = option(1, "CPU threads that run the network", at_least=1)
