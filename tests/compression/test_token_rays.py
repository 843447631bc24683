"""Token rays agree with where the canonical cameras are mounted."""

import numpy as np
import pytest

from fsd.compression.token_rays import TokenRays
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig


@pytest.fixture(scope="module")
def geometry() -> TokenRays:
    return TokenRays(canonical_rig())


@pytest.mark.parametrize(
    ("camera", "yaw_deg"), [("front_main", 0), ("left_pillar", 60), ("right_repeater", -145), ("rear", 180)]
)
def test_the_middle_of_a_camera_looks_along_its_mounting(geometry: TokenRays, camera: str, yaw_deg: float) -> None:
    middle = geometry.block_meta[CAMERAS.index(camera), 7 * 20 + 9 : 7 * 20 + 11, 1:4].mean(axis=0)
    heading = np.array([np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))])
    assert middle[:2] @ heading > 0.99


def test_rays_are_unit_vectors_and_sizes_add_up_to_the_field_of_view(geometry: TokenRays) -> None:
    np.testing.assert_allclose(np.linalg.norm(geometry.block_meta[..., 1:4], axis=-1), 1, atol=1e-6)
    rows = geometry.block_meta[CAMERAS.index("front_main")].reshape(15, 20, 8)
    assert np.degrees(rows[7, :, 4].sum()) == pytest.approx(50, abs=0.3)


def test_left_of_the_picture_is_left_of_the_car(geometry: TokenRays) -> None:
    rows = geometry.retina_meta[CAMERAS.index("front_wide")].reshape(3, 4, 8)
    assert rows[1, 0, 2] > 0 > rows[1, 3, 2]
    assert rows[0, 1, 3] > rows[2, 1, 3]


def test_a_camera_that_the_rig_lacks_has_no_rays() -> None:
    whole = canonical_rig()
    geometry = TokenRays(Rig(name="one", cameras=whole.cameras[:1]))
    assert geometry.has_camera.tolist() == [True] + [False] * 7
    assert not geometry.block_meta[3, :, 1:].any()
    assert (geometry.block_meta[3, :, 0] == 3).all()
