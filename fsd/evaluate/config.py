"""Settings of `fsd evaluate`, and of `fsd replay` with a data set."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.frames import CAMERAS
from fsd.data.options import OptionError, Options, option, results_folder
from fsd.data.result_record import SUMMARY_FILE
from fsd.networks.devices import PROVIDERS
from fsd.networks.drives.splits import PARTS

CARD_PAGE = "evaluate.html"
EVALUATE_FILES = (CARD_PAGE, SUMMARY_FILE)
REPLAY_PAGE = "report.html"
REPLAY_FILES = ("plan.parquet", "ticks.parquet", "plan.arrows", "ticks.arrows", REPLAY_PAGE, SUMMARY_FILE)
"""What the two commands write."""

PACKAGED = Path("packaged")
"""In place of a model: the packaged network."""

ALL_PARTS = "all"


@dataclass(frozen=True, kw_only=True)
class DatasetRunOptions(Options):
    """How a network runs over a data set. `workers` does not change results."""

    heading = "network"

    device: str = option("cpu", "hardware that runs the network", choices=tuple(PROVIDERS))
    threads: int = option(1, "CPU threads of each network", at_least=1)
    workers: int = option(
        2, "stretches of drives that run at the same time, each through a network of its own", at_least=1
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(DatasetRunOptions):
    """Settings of an evaluation."""

    model: Path = option(
        help=f"ONNX file of a network, written by `fsd export`, or the word `{PACKAGED}`", flag="", metavar="MODEL"
    )
    dataset: Path = option(help="folder that `fsd dataset build` has written", flag="", metavar="DATASET")
    out: Path = results_folder("out/evaluate")
    part: str = option("test", "part of the data set to score on", choices=(*PARTS, ALL_PARTS))
    cameras: tuple[str, ...] | None = option(
        None,
        "state as well what is lost with these cameras alone",
        choices=CAMERAS,
        metavar="CAMERA",
        default_text="none",
    )
    masks: bool = option(True, "do not run the network without pictures, ego motion and memory as well")
    force: bool = option(False, "run again although the card in --out is complete and of the same network and data")

    @property
    def model_file(self) -> Path | None:
        """None is the packaged network."""
        return None if self.model == PACKAGED and not self.model.exists() else self.model

    @property
    def part_name(self) -> str | None:
        """None is all parts."""
        return None if self.part == ALL_PARTS else self.part


@dataclass(frozen=True, kw_only=True)
class DatasetReplayConfig(DatasetRunOptions):
    """Settings of a replay of a data set."""

    dataset: Path = option(help="folder that `fsd dataset build` has written", flag="", metavar="DATASET")
    out: Path = results_folder("out/replay")
    model: Path | tuple[Path, ...] | None = option(
        None, "ONNX file of the network", default_text="the packaged network"
    )
    report: bool = option(True, "do not write the report, report.html")

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.model, tuple):  # `--model` of `fsd replay` takes several files
            if len(self.model) > 1:
                raise OptionError("model", "names several files; a data set is replayed with a network of `fsd export`")
            object.__setattr__(self, "model", self.model[0])
