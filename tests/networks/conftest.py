"""A network small enough to run in milliseconds, and one tick for it."""

import pytest

from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.config import NetworkConfig
from fsd.networks.input_buffers import TickInput
from tests.networks._tiny import TINY


@pytest.fixture(scope="session")
def tiny_config() -> NetworkConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny_steps(tiny_config: NetworkConfig) -> list[TickInput]:
    return list(synthetic_steps(tiny_config.budget, 30, seed=3))
