"""One small data set for all tests of this folder."""

from pathlib import Path

import pytest

from tests.networks.dataset_training._made import write_dataset


@pytest.fixture(scope="session")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips for training, one for validation; 24 rows each."""
    folder = tmp_path_factory.mktemp("drives") / "drives"
    return write_dataset(folder, {"a": ("train", 24), "b": ("train", 24), "c": ("validation", 24)})
