import pytest

torch = pytest.importorskip("torch")

from fsd.compression.budget import BUDGETS, Budget  # noqa: E402
from fsd.networks.encoders import (  # noqa: E402
    CELL,
    EgoEncoder,
    GeometryEncoder,
    GridPool,
    HorizonEncoder,
    PatchEncoder,
    RetinaEncoder,
    normalise_pixels,
)


@pytest.mark.parametrize("budget", [*BUDGETS.values(), Budget("odd", 100, 150, 1), Budget("least", 8, 8, 1)])
def test_every_budget_gives_twelve_tokens_and_a_map_of_the_block_grid_per_camera(budget: Budget) -> None:
    image_hw = (budget.base_height_px // 2, budget.base_width_px // 2)
    encoder = RetinaEncoder(image_hw, channels=16, blocks=1, width=24).eval()
    tokens, features = encoder(torch.zeros(2, 6, *image_hw))
    assert tokens.shape == (2, 12, 24)
    assert features.shape == (2, 16, 15, 20)


def test_a_patch_gives_one_token() -> None:
    assert PatchEncoder((8, 16), blocks=1, width=24).eval()(torch.zeros(5, 6, 16, 16)).shape == (5, 24)


def test_tokens_of_the_horizon_see_the_middle_row_only() -> None:
    encoder, features = HorizonEncoder(3, 8), torch.rand(2, 3, 15, 20)
    other = features.clone()
    other[:, :, :CELL], other[:, :, 2 * CELL :] = 7.0, -7.0
    assert encoder(features).shape == (2, 10, 8)
    assert torch.equal(encoder(features), encoder(other))


def test_tokens_of_the_horizon_lie_where_their_cells_are() -> None:
    """In units of the four tokens of the row; a token is two fifths as wide as these."""
    rows = torch.zeros(1, 12, 9)
    rows[:, 4:8, 2], rows[..., 4], rows[..., 0] = torch.arange(4.0), 0.5, 6
    camera = torch.eye(8)[6].expand(1, 12, 8)
    finer, of_camera = HorizonEncoder(3, 8, columns=9).geometry(rows, camera)
    places = finer[0, :, 2]
    assert torch.allclose(places, torch.linspace(-0.3, 3.3, 10), atol=1e-6)
    assert 0 < places[1] < places[8] < 3  # between the rays of the tokens, but for the outermost two
    assert torch.allclose(finer[..., 4], torch.full((1, 10), 0.2))
    assert torch.equal(of_camera, torch.eye(8)[6].expand(1, 10, 8))


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
