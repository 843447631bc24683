import json
from dataclasses import asdict

import pytest

from fsd.compression.budget import BUDGETS
from fsd.networks.config import SIZES, NetworkConfig


def test_a_configuration_survives_json() -> None:
    config = NetworkConfig(budget=BUDGETS["B400"], width=64, patch_channels=(16, 24))
    assert NetworkConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_a_file_of_an_earlier_version_is_of_a_network_without_hypotheses_and_maps() -> None:
    stored = asdict(SIZES["uniform"])
    for name in ("outer_channels", "has_hypotheses", "has_maps"):
        del stored[name]
    del stored["budget"]["fovea"]
    assert NetworkConfig.from_dict(stored) == SIZES["uniform"]


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(ValueError, match="wings"):
        NetworkConfig.from_dict({**asdict(NetworkConfig()), "wings": 2})


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"heads.*100.*8"):
        NetworkConfig(width=100, heads=8)


@pytest.mark.parametrize("name", ["joint_layers", "cross_layers", "plan_queries"])
def test_a_network_without_layers_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}.*\b0\b"):
        NetworkConfig(**{name: 0})
