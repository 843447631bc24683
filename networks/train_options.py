"""Settings of `fsd train`, from the simulator and from recorded clips. No torch here, so that `--help` needs none."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fsd.data.options import OptionError, Options, option
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry
from fsd.networks.config import NetworkConfig, network_of_size

Report = Callable[[str, int, int, dict[str, float]], None]
"""Called during a training as report(phase, done, total, metrics)."""


@dataclass(frozen=True)
class Round:
    """Episodes to collect, then steps to train."""

    episodes: int
    steps: int

    def __str__(self) -> str:
        return f"{self.episodes}:{self.steps}"

    @classmethod
    def parse(cls, text: str) -> "Round":
        """From `EPISODES:STEPS`.

        Raises:
            ValueError: anything else.
        """
        parts = text.split(":")
        if len(parts) == 3:
            raise ValueError(
                f"A round is EPISODES:STEPS, since one learning rate holds for the whole run: write "
                f"{parts[0]}:{parts[1]}, and --rate {parts[2]} once; got {text!r}."
            )
        try:
            episodes, steps = map(int, parts)
            if min(episodes, steps) < 1:
                raise ValueError
            return cls(episodes, steps)
        except ValueError:
            raise ValueError(f"A round is EPISODES:STEPS such as 600:1500, both at least 1, got {text!r}.") from None


DEFAULT_ROUNDS = (Round(600, 1500), Round(400, 1500), Round(400, 1500), Round(400, 1500), Round(400, 4500))
"""About 2 h 40 min on two CPU cores: 49 min of collection (45 episodes per minute), 95 to 105 min of training (50 to 55
rows per second, 30 rows per step) and about 5 min of validation."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """What all ways of training share; each has defaults of its own. `rows_per_clip` is per batch."""

    out: Path = option(
        help="folder of the run; an interrupted run continues when started again with the same folder", metavar="DIR"
    )
    threads: int = option(2, "CPU threads that train", at_least=1)
    device: str = option("cpu", "hardware that trains: cpu, cuda or cuda:N", metavar="DEVICE")
    clips: int = option(help="clips in each training batch", at_least=1, flag="--batch-clips")
    rows_per_clip: int = option(help="consecutive samples of each clip", at_least=1, is_argument=False)
    learning_rate: float = option(
        help="highest learning rate; after a linear rise it falls as one cosine over all steps",
        above=0,
        flag="--rate",
        metavar="RATE",
    )
    seed: int = option(0, "seed of the initial weights and of the batches", at_least=0)
    initial: Path | None = option(
        None,
        "weights file to start from; in the simulator, a network of another size takes what fits",
        metavar="WEIGHTS",
        default_text="random weights",
    )
    network: NetworkConfig = option(
        NetworkConfig(),
        "size of the network: standard; wide, of about twice the arithmetic, which can teach it; or uniform, without a "
        "fovea",
        flag="--size",
        metavar="SIZE",
        default_text="standard",
        parse=network_of_size,
    )

    def shared(self) -> dict[str, Any]:
        """The values of these options, to make another configuration that has them."""
        return {each.name: getattr(self, each.name) for each in fields(TrainOptions)}


EXPERTS = ("seen", "full")
"""Experts of the simulator that label drives; a test compares them with the simulator's, which takes long to import."""


@dataclass(frozen=True, kw_only=True)
class RecipeConfig(TrainOptions):
    """Settings of training in the simulator; `out` holds `episodes/` and a folder per round."""

    heading = "training in the simulator"

    out: Path = Path("out/train")
    clips: int = 15
    rows_per_clip: int = 2
    learning_rate: float = 1.5e-3
    rounds: tuple[Round, ...] = option(
        DEFAULT_ROUNDS,
        "training rounds: for each, the drives to collect and the training steps after that; the expert drives in the "
        "first round, the network in the others (DAgger)",
        metavar="EPISODES:STEPS",
        parse=Round.parse,
    )
    loss_share: float = option(
        0.3,
        "share of the batches' clips that are drawn in proportion to their last known loss",
        at_least=0,
        at_most=0.6,
    )
    teacher: Path | None = option(
        None,
        "weights of a trained network to learn from, beside the expert: it drives in the first round, and its plan, "
        "memory and image features are imitated",
        metavar="WEIGHTS",
        default_text="none",
    )
    expert: str = option(
        EXPERTS[0],
        "simulator's expert to imitate: seen, which knows only what the cameras showed and is careful near people, or "
        "full, which knows everything in sight",
        choices=EXPERTS,
    )
    workers: int = option(2, "processes that collect drives", at_least=1)
    first_seed: int = option(0, "seed of the first world", at_least=0, is_argument=False)


@dataclass(frozen=True, kw_only=True)
class DatasetTrainConfig(TrainOptions):
    """Settings of training on data sets; `network` is ignored with `initial` weights, which have their own sizes.

    Attributes:
        pool_rows: rows that are drawn from at a time, of which the network's outputs are cached (4 kB each).
        held_out_rows: at most so many rows are scored while training; simulated_held_out: share of the worlds.
    """

    heading = "training on data sets"

    datasets: tuple[Path, ...] = option(
        (),
        "data sets of `fsd dataset build` to train on, instead of the simulator",
        flag="",
        metavar="DATASET",
        may_be_empty=True,
        default_text="none",
    )
    simulated: tuple[Path, ...] = option(
        (),
        "simulated drives to mix in: the folder of a run of `fsd train`, or a data set",
        metavar="FOLDER",
        may_be_empty=True,
        default_text="none",
    )
    mix: tuple[float, ...] = option(
        (),
        "weight of each data set in the batches, in the order given, then of each of --simulated",
        above=0,
        metavar="WEIGHT",
        may_be_empty=True,
        default_text="the same for all",
    )
    out: Path = Path("out/train_recorded")
    clips: int = 10
    rows_per_clip: int = 3
    learning_rate: float = 1e-3
    steps: int = option(3000, "training steps (optimizer updates)", at_least=1)
    mirror: bool = option(True, "do not learn from mirrored drives")
    balance: float = option(
        0.25,
        "share of the batches' clips drawn so that all classes of curvature and acceleration are equally frequent",
        at_least=0,
        at_most=1,
    )
    ego_dropout: float = option(
        0.5, "share of the clips without ego motion as an input; 1 never uses it", at_least=0, at_most=1
    )
    history_dropout: float = option(0.3, "share of the clips without memory", at_least=0, at_most=1)
    rig_dropout: float = option(
        0.3, "share of the clips in which only some of the cameras are seen, one to all", at_least=0, at_most=1
    )
    pitch_yaw_deg: float = option(
        0.5, "standard deviation of errors of each camera's stated pitch and yaw", at_least=0, metavar="DEGREES"
    )
    evaluate_every: int = option(500, "steps between two scores of what is held out", at_least=1)
    pool_rows: int = option(65_536, at_least=1)
    held_out_rows: int = option(2_000, at_least=1)
    simulated_held_out: float = option(0.05, at_least=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mix and len(self.mix) != self.source_count:
            raise OptionError("mix", f"needs one weight per source: {self.source_count}, got {len(self.mix)}")

    @property
    def source_count(self) -> int:
        """How many sources the batches are mixed of."""
        return len(self.datasets) + len(self.simulated)


@dataclass(frozen=True, kw_only=True)
class RecordedFitConfig(DatasetTrainConfig):
    """Settings of training on recordings: a data set of them is built in the run's folder first."""

    heading = "training on recordings"

    recordings: tuple[Path, ...] = option(
        help="recordings to train on: a data set is made of them first", flag="--clips", metavar="CLIP"
    )
    train_until_s: float | None = option(
        None,
        "time that divides each recording: train on what comes before it, test on what comes after",
        unit="s",
        above=0,
        default_text="two thirds of each recording",
    )
    steering_ratio: float | None = option(
        None,
        "steering ratio: angle of the steering wheel divided by the angle of the road wheels",
        above=0,
        metavar="RATIO",
        default_text=f"{LINCOLN_MKZ.ratio:g}, assumed: a Lincoln MKZ",
    )
    wheelbase_m: float | None = option(
        None,
        "wheelbase, from axle to axle",
        unit="m",
        above=0,
        default_text=f"{LINCOLN_MKZ.wheelbase_m:g}, assumed: a Lincoln MKZ",
    )
    steps: int = 300
    ego_dropout: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.datasets:
            raise OptionError("recordings", "cannot be mixed with data sets: add the recordings to one")

    @property
    def source_count(self) -> int:
        """The recordings are one."""
        return 1 + len(self.simulated)

    @property
    def geometry(self) -> SteeringGeometry:
        """The steering's geometry, with the values of `LINCOLN_MKZ` for those that were not given."""
        return SteeringGeometry(self.steering_ratio or LINCOLN_MKZ.ratio, self.wheelbase_m or LINCOLN_MKZ.wheelbase_m)
