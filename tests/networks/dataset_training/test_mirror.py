"""A mirrored row is the row of a mirrored world; twice mirrored it is the row itself."""

from pathlib import Path

import numpy as np
import pytest

from fsd.compression.token_rays import TokenRays
from fsd.data.ego import COMMANDS
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.dataset import LABEL_SHAPES, episode_shapes
from fsd.networks.dataset_training.chunks import RecordedChunks
from fsd.networks.dataset_training.mirror import OTHER_CAMERA, OTHER_COMMAND, mirrored
from tests.networks.dataset_training._made import FOVEATED, SMALL

Rows = dict[str, np.ndarray]


def random_rows(foveated: bool, seed: int, count: int = 3) -> Rows:
    """Any values that the arrays may have, unknown labels and unused patches among them."""
    rng, rows = np.random.default_rng(seed), {}
    for name, (shape, dtype) in episode_shapes((FOVEATED if foveated else SMALL).budget).items():
        if dtype == "uint8":
            rows[name] = rng.integers(0, 256, (count, *shape)).astype(dtype)
        elif dtype.startswith("float"):
            rows[name] = rng.normal(size=(count, *shape)).astype(dtype)
            if name in LABEL_SHAPES:
                rows[name][rng.uniform(size=(count, *shape)) < 0.2] = np.nan
        else:
            rows[name] = rng.integers(-1, 7, (count, *shape)).astype(dtype)
    slots = rows["patch_meta"].shape[1]
    camera = rng.integers(-1, len(CAMERAS), (count, slots))
    rows["patch_meta"][..., 0] = camera
    cell = camera * BLOCKS + rng.integers(0, BLOCKS, (count, slots))
    rows["patch_cell"] = np.where(camera >= 0, cell, -1).astype(np.int16)
    rows["retina_meta"][..., 0] = np.arange(len(CAMERAS))[:, None]
    return rows


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("foveated", [False, True])
def test_twice_mirrored_is_the_same(foveated: bool, seed: int) -> None:
    rows = random_rows(foveated, seed)
    once = mirrored(rows)
    twice = mirrored(once)
    assert twice.keys() == rows.keys()
    for name, values in rows.items():
        np.testing.assert_array_equal(twice[name], values, err_msg=name)
        assert twice[name].dtype == values.dtype
    same = {name for name in rows if np.array_equal(once[name], rows[name], equal_nan=True)}
    assert same == {"memory_valid", "commit_slots", "ego_valid", "acceleration", "lead", "light"}


def test_left_and_right_change_places() -> None:
    assert [CAMERAS[other] for other in OTHER_CAMERA[3:7]] == [
        "right_pillar",
        "left_pillar",
        "right_repeater",
        "left_repeater",
    ]
    assert OTHER_CAMERA[[0, 1, 2, 7]].tolist() == [0, 1, 2, 7]
    assert [COMMANDS[other] for other in OTHER_COMMAND] == [
        "none",
        "straight",
        "right",
        "left",
        "lane_right",
        "lane_left",
    ]


def test_a_symmetric_rig_has_the_same_rays_when_mirrored() -> None:
    rows = random_rows(False, 0, 1)
    rows["retina_meta"] = TokenRays(canonical_rig(640, 480)).retina_meta[None]
    np.testing.assert_allclose(mirrored(rows)["retina_meta"], rows["retina_meta"], atol=1e-6)


def test_pixels_and_cells_move_together() -> None:
    """A bright column at the left edge of a camera, and the patch that shows it, are at the right edge of the other."""
    rows = random_rows(False, 1, 1)
    rows["retina"][:] = 0
    left, right = CAMERAS.index("left_pillar"), CAMERAS.index("right_pillar")
    rows["retina"][0, left, [0, 2], :, 0] = 255  # the even columns of 2 x 2 pixels: the leftmost pixel column
    rows["patch_cell"][0, 0] = left * BLOCKS + 2 * GRID_COLUMNS
    rows["patch_meta"][0, 0, 0] = left
    found = mirrored(rows)
    assert found["retina"][0, right, [1, 3], :, -1].min() == 255
    assert int(found["retina"].astype(int).sum()) == int(rows["retina"].astype(int).sum())
    assert found["patch_cell"][0, 0] == right * BLOCKS + 2 * GRID_COLUMNS + GRID_COLUMNS - 1
    assert found["patch_meta"][0, 0, 0] == right


def test_the_mirrored_path_bends_the_other_way(drives: Path) -> None:
    source = RecordedChunks(drives, SMALL.budget, "train")
    rows = source.read(source.chunks[0], [3, 9])
    found = mirrored(rows)
    np.testing.assert_array_equal(found["curvature"], -rows["curvature"])
    np.testing.assert_array_equal(found["trajectory"][..., [0, 3]], rows["trajectory"][..., [0, 3]])
    np.testing.assert_array_equal(found["trajectory"][..., [1, 2]], -rows["trajectory"][..., [1, 2]])
    np.testing.assert_array_equal(found["ego"], rows["ego"] * [1, -1])
    assert found["command"][0].argmax() == COMMANDS.index("right")
