"""The smallest network with every part of the real one: it runs in milliseconds."""

from dataclasses import replace

from fsd.compression.budget import Budget, Fovea
from fsd.networks.config import NetworkConfig

TINY = NetworkConfig(
    budget=Budget("tiny", 30, 40, 6),
    width=32,
    heads=2,
    retina_channels=16,
    patch_channels=(8, 16),
    retina_blocks=1,
    cross_layers=1,
    has_hypotheses=False,
    has_maps=False,
)

TINY_FOVEATED = replace(
    TINY,
    budget=Budget("tiny_fovea", 30, 40, 6, Fovea(3, 20, 24, fine_patches=2)),
    outer_channels=8,
    has_hypotheses=True,
    has_maps=True,
)
"""The same with an outer retina, hypotheses, and the finer tokens of the horizon."""
