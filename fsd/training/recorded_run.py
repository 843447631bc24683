"""`fsd train --clips`: a data set of the recordings in the folder of the run, then training on it."""

import time

from fsd.data.files import write_text
from fsd.data.open_clip import open_clip
from fsd.dataset.build import build_dataset, print_progress
from fsd.dataset.config import DatasetConfig
from fsd.networks.dataset_training.run import network_of, result_names
from fsd.networks.processes import is_first_process
from fsd.networks.recorded_fit import RESULT, RecordedFit, fit_recordings
from fsd.networks.train_options import RecordedFitConfig, Report
from fsd.networks.training_loop import run_folder

DATASET, READY = "dataset", "dataset-ready"
_POLL_S = 0.5


def train_on_recordings(config: RecordedFitConfig, report: Report) -> RecordedFit | None:
    """Build, train, and score both parts; returns None in all processes of a `torchrun` but the first.

    Raises:
        ClipError: no recording can be used, or a part is too short.
        OutputError: the folder cannot be written, or holds a run with other settings.
    """
    for missing in (path for path in config.recordings if not path.exists()):
        open_clip(missing)  # says so before there is a folder for results
    network = network_of(config)
    inputs = [*config.recordings, *config.simulated, *([] if config.initial is None else [config.initial])]
    with run_folder(config.out, "train --clips", (*result_names(RESULT), READY), inputs):
        dataset, ready = config.out / DATASET, config.out / READY
        if is_first_process():
            geometry = config.geometry
            settings = DatasetConfig(
                sources=config.recordings,
                out=dataset,
                budget=(network.budget.name,),
                steering_ratio=geometry.ratio,
                wheelbase_m=geometry.wheelbase_m,
            )
            build_dataset(settings, print_progress)
            write_text(ready, "")
        while not ready.exists():  # a file, not a barrier: building takes longer than a barrier's timeout
            time.sleep(_POLL_S)
        return fit_recordings(config, dataset, network, report)
