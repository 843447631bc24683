"""What a training is, in a few lines before it begins."""

from fsd.data.counted import counted
from fsd.networks.bfloat16 import has_bfloat16
from fsd.networks.train_options import DatasetTrainConfig, RecipeConfig, RecordedFitConfig, TrainOptions


def first_lines(config: TrainOptions, processes: int) -> list[str]:
    """Precision, and the size of the run."""
    lines = [describe_precision(config.device)]
    rows = config.clips * config.rows_per_clip * processes
    if isinstance(config, RecipeConfig):
        drives, steps = (sum(getattr(each, name) for each in config.rounds) for name in ("episodes", "steps"))
        rounds = f"{len(config.rounds)} rounds: {drives} drives at budget {config.network.budget.name}, "
        lines.append(f"{rounds}{steps} steps of {rows} rows")
    elif isinstance(config, RecordedFitConfig):
        lines.append(f"{counted(len(config.recordings), 'recording')}: {config.steps} steps of {rows} rows")
    elif isinstance(config, DatasetTrainConfig):
        sources = f"{len(config.datasets)} data sets, {len(config.simulated)} of simulated drives"
        lines.append(f"{sources}: {config.steps} steps of {rows} rows")
    return lines


def describe_precision(device: str) -> str:
    """The precision in which images are encoded on a device, and why."""
    if has_bfloat16(device):
        return f"precision: images in bfloat16, which {device} has instructions for; memory and plan in float32"
    return f"precision: float32, since {device} has no instructions for bfloat16"
