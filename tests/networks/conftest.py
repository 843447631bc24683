"""A network small enough to run in milliseconds, and one tick for it."""

import pytest

from fsd.compression.budget import Budget
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.config import NetworkConfig
from fsd.networks.feeds import Step


@pytest.fixture(scope="session")
def tiny_config() -> NetworkConfig:
    return NetworkConfig(
        budget=Budget("tiny", 30, 40, 6),
        width=32,
        heads=2,
        retina_channels=16,
        patch_channels=(8, 16),
        retina_blocks=1,
        look_layers=1,
    )


@pytest.fixture(scope="session")
def tiny_steps(tiny_config: NetworkConfig) -> list[Step]:
    return list(synthetic_steps(tiny_config.budget, 30, seed=3))
