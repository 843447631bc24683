"""The part of a data set that a network is run over: opened, checked against the network, and described."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from fsd.compression.budget import ALL_BUDGETS, Budget
from fsd.data.errors import ClipError, ModelError
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.data.steering import SteeringGeometry
from fsd.evaluate.config import ALL_PARTS
from fsd.evaluate.labels import Driven, driven, mean_plan
from fsd.networks.drives.clip_record import CLIPS_FOLDER, ClipRecord, read_record
from fsd.networks.drives.recorded_dataset import INDEX_FILE, RecordedDataset, Stretch
from fsd.networks.drives.splits import PARTS
from fsd.networks.recorded_labels import FROM_STEERING
from fsd.outputs.evaluate_summary import ScoredData
from fsd.scoring.baseline_plans import Plans


class _BuildOptions(msgspec.Struct, frozen=True):
    """What matters here of the options that a clip was built with."""

    geometry: SteeringGeometry


@dataclass(frozen=True)
class Source:
    """A part of a data set at the budget of a network.

    Attributes:
        stretches: of that part; records: key -> record of their clips.
    """

    folder: Path
    part: str | None
    budget: Budget
    stretches: tuple[Stretch, ...]
    records: dict[str, ClipRecord]

    @classmethod
    def open(cls, folder: Path, budget: Budget, part: str | None) -> "Source":
        """Open a part; None is all of them.

        Raises:
            ModelError: data sets cannot have the network's budget.
            ClipError: the folder holds no data set, or this one has nothing of that budget or part.
        """
        if ALL_BUDGETS.get(budget.name) != budget:
            raise ModelError(
                f"The network is of budget {budget.name} with sizes of its own, which no data set has. Use a "
                f"network of one of {', '.join(ALL_BUDGETS)}."
            )
        _check_budget(folder, budget)
        data = RecordedDataset(folder, budget.name, part)
        stretches = tuple(each for each in data.stretches if each.used)
        if not stretches:
            raise ClipError(
                f"{folder} has no rows to score in part {part or ALL_PARTS}: a hash decides the part of each drive. "
                f"{_other_parts(folder, budget)}"
            )
        keys = sorted({each.clip for each in stretches})
        return cls(folder, part, budget, stretches, {key: read_record(folder / CLIPS_FOLDER / key) for key in keys})

    def open_data(self) -> RecordedDataset:
        """A reader of its own; readers are not for several threads."""
        return RecordedDataset(self.folder, self.budget.name, self.part)

    @property
    def index_sha256(self) -> str:
        """Digest of the index: equal ones hold the same rows."""
        return hashlib.sha256((self.folder / INDEX_FILE).read_bytes()).hexdigest()

    @property
    def every_ticks(self) -> int:
        return next(iter(self.records.values())).every_ticks

    @property
    def rows(self) -> int:
        return sum(map(len, self.stretches))

    @property
    def is_simulated(self) -> bool:
        """Whether no clip is a recording of a real drive."""
        return all(each.is_simulated for each in self.records.values())

    def labels(self, data: RecordedDataset, stretch: Stretch) -> Driven:
        """The labels of a stretch, read by `data`."""
        return driven(data, stretch, self._steering(stretch.clip))

    def about(self, camera_rows: np.ndarray, rows: int) -> ScoredData:
        """What was run; `camera_rows` (8,) with a picture, of `rows` so far."""
        cameras = {name: round(float(n) / max(1, rows), 4) for name, n in zip(CAMERAS, camera_rows, strict=True) if n}
        return ScoredData(
            name=self.folder.resolve().name,
            index_sha256=self.index_sha256,
            budget=self.budget.name,
            part=self.part or ALL_PARTS,
            every_ticks=self.every_ticks,
            clips=len(self.records),
            drives=len({each.drive for each in self.stretches}),
            rows=self.rows,
            scored_rows=sum(end - begin for each in self.stretches for begin, end in each.used),
            hours=round(self.rows * self.every_ticks / float(RATE_HZ) / 3600, 4),
            cameras=cameras,
            curvature_from=dict(Counter(each.curvature_from for each in self.records.values())),
            simulated_clips=sum(each.is_simulated for each in self.records.values()),
        )

    def approximations(self) -> list[str]:
        """How a run over this data set differs from a replay of its videos, as sentences."""
        found = [
            "Patches were chosen without this network, as by `fsd compress`. In a replay of the videos it asks for "
            "some of them itself."
        ]
        if self.every_ticks > 1:
            found.append(
                f"The network runs at one tick in {self.every_ticks}, as in training. What a tick in between would "
                "have written to the memory is written by the next one."
            )
        off = sum(each.is_odometry_off for each in self.records.values())
        if off:
            found.append(
                f"{off} of {len(self.records)} clips were compressed with ego motion whose clock was mended for the "
                "labels only."
            )
        found.append("The recorded driver drives: plans are compared with one path, which is not the only good one.")
        return found

    def _steering(self, clip: str) -> SteeringGeometry | None:
        record = self.records[clip]
        if record.curvature_from != FROM_STEERING:
            return None
        return msgspec.json.decode(record.options, type=_BuildOptions).geometry


def _other_parts(folder: Path, budget: Budget) -> str:
    """Which parts have rows to score, as a sentence."""
    rows: Counter[str] = Counter()
    for each in RecordedDataset(folder, budget.name).stretches:
        rows[each.part] += sum(end - begin for begin, end in each.used)
    found = [f"{part} ({rows[part]} rows)" for part in PARTS if rows[part]]
    return f"With rows are {', '.join(found)}: name one with `--part`, or add drives." if found else "Add drives."


def _check_budget(folder: Path, budget: Budget) -> None:
    """Name the budgets that a data set has, where it lacks the network's."""
    first = next((path for path in sorted((folder / CLIPS_FOLDER).glob("*")) if path.suffix == ""), None)
    built = () if first is None else read_record(first).budgets
    if built and budget.name not in built:
        raise ClipError(
            f"{folder} has ticks of budget {', '.join(built)}; the network takes {budget.name}. Build a data set with "
            f"`--budget {budget.name}`, or name a network of a budget that it has."
        )


def mean_of_training(source: Source) -> Plans | None:
    """The mean path of the training part of the same data set, whatever part is scored; None without rows in it."""
    data = RecordedDataset(source.folder, source.budget.name, "train")
    return mean_plan(driven(data, each) for each in data.stretches if each.used)
