"""The smallest network with every part of the real one: it runs in milliseconds."""

from fsd.compression.budget import Budget
from fsd.networks.config import NetworkConfig

TINY = NetworkConfig(
    budget=Budget("tiny", 30, 40, 6),
    width=32,
    heads=2,
    retina_channels=16,
    patch_channels=(8, 16),
    retina_blocks=1,
    cross_layers=1,
)
