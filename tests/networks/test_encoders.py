import pytest

torch = pytest.importorskip("torch")

from fsd.compression.budget import BUDGETS, Budget  # noqa: E402
from fsd.networks.encoders import EgoEncoder, GeometryEncoder, GridPool, PatchEncoder, RetinaEncoder, normalise_pixels  # noqa: E402


@pytest.mark.parametrize("budget", [*BUDGETS.values(), Budget("odd", 100, 150, 1), Budget("least", 8, 8, 1)])
def test_every_budget_gives_twelve_tokens_a_camera(budget: Budget) -> None:
    image_hw = (budget.base_height_px // 2, budget.base_width_px // 2)
    encoder = RetinaEncoder(image_hw, channels=16, blocks=1, width=24).eval()
    assert encoder(torch.zeros(2, 6, *image_hw)).shape == (2, 12, 24)


def test_a_patch_gives_one_token() -> None:
    assert PatchEncoder((8, 16), blocks=1, width=24).eval()(torch.zeros(5, 6, 16, 16)).shape == (5, 24)


def test_grid_pooling_keeps_the_mean_of_every_map() -> None:
    features = torch.rand(2, 3, 31, 45)
    pooled = GridPool((31, 45))(features)
    assert pooled.shape == (2, 3, 15, 20)
    assert torch.allclose(pooled.mean(dim=(2, 3)), features.mean(dim=(2, 3)), atol=1e-5)


def test_mid_grey_is_zero_to_the_network() -> None:
    assert normalise_pixels(torch.full((1, 6, 4, 4), 128, dtype=torch.uint8)).abs().max() == 0


def test_an_unused_patch_belongs_to_no_camera() -> None:
    row = torch.zeros(1, 8)
    row[:, 0] = -1
    assert GeometryEncoder(8).camera_one_hot(row).abs().sum() == 0


def test_the_camera_index_becomes_one_hot() -> None:
    rows = torch.zeros(8, 8)
    rows[:, 0] = torch.arange(8)
    assert torch.equal(GeometryEncoder(8).camera_one_hot(rows), torch.eye(8))


def test_what_an_invalid_vector_holds_does_not_matter() -> None:
    body = EgoEncoder(16)
    off, command = torch.zeros(1, 1), torch.zeros(1, 6)
    one = body(torch.zeros(1, 2), off, torch.zeros(1, 16), off, command)
    other = body(torch.full((1, 2), 30.0), off, torch.full((1, 16), -9.0), off, command)
    assert torch.equal(one, other)
