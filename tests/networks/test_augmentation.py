from dataclasses import fields, replace

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from fsd.networks.augmentation import FILLED, AugmentationConfig, augment, camera_mask  # noqa: E402
from fsd.networks.config import NetworkConfig  # noqa: E402
from fsd.networks.contract import input_shapes  # noqa: E402
from tests.networks._tiny import TINY, TINY_FOVEATED  # noqa: E402

NOTHING = AugmentationConfig(**dict.fromkeys((field.name for field in fields(AugmentationConfig)), 0))
CLIPS, ROWS = 6, 3


def batch(network: NetworkConfig = TINY) -> dict[str, Tensor]:
    made = {}
    generator = torch.Generator().manual_seed(1)
    for name, (shape, dtype) in input_shapes(network.budget).items():
        size = (CLIPS, ROWS, *shape)
        if dtype == "uint8":
            made[name] = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
        else:
            made[name] = torch.rand(size, generator=generator) + 0.1
    for name in ("camera_valid", "memory_valid", "ego_valid"):
        made[name] = torch.ones_like(made[name])
    made["patch_meta"][..., 0] = torch.randint(-1, 8, made["patch_meta"].shape[:-1], generator=generator)
    return made


def run(config: AugmentationConfig, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    before = batch()
    return before, augment(before, config, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("network", [TINY, TINY_FOVEATED])
def test_nothing_asked_for_changes_nothing(network: NetworkConfig) -> None:
    before = batch(network)
    after = augment(before, NOTHING, torch.Generator().manual_seed(0))
    for name, value in before.items():
        assert torch.allclose(after[name].float(), value.float(), atol=1e-5), name


def test_images_of_dropped_cameras_are_unchanged() -> None:
    before, after = run(replace(NOTHING, camera_dropout=1))
    assert torch.equal(after["retina"], before["retina"].float())
    lost = (after["camera_valid"] == 0).sum(dim=-1)
    assert ((lost >= 1) & (lost <= 3)).all()
    assert torch.equal(after["camera_valid"][:, 0], after["camera_valid"][:, 1])  # a clip loses them for good


def test_the_front_cameras_alone_are_the_first_three() -> None:
    keep = camera_mask(
        AugmentationConfig(camera_dropout=0, front_only=1, one_front=0), torch.rand(5, 2), torch.rand(5, 8)
    )
    assert keep.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]] * 5


def test_dropped_ego_motion_leaves_no_number_behind() -> None:
    _, after = run(replace(NOTHING, ego_dropout=1))
    assert after["ego"].abs().max() == 0
    assert after["ego_valid"].max() == 0


def test_a_dropped_command_is_none() -> None:
    _, after = run(replace(NOTHING, command_dropout=1))
    assert (after["command"] == torch.tensor([1.0, 0, 0, 0, 0, 0])).all()


def test_a_dropped_memory_is_dropped_for_the_whole_clip() -> None:
    _, after = run(replace(NOTHING, memory_dropout=0.5))
    share = after["memory_valid"].mean(dim=(1, 2))
    assert set(share.tolist()) == {0.0, 1.0}


def test_dropped_patches_are_unused_in_different_shares_of_each_clip() -> None:
    before = batch()
    before["patch_meta"][..., FILLED] = 1.0
    kept = before["patch_meta"].clone()
    meta = augment(before, replace(NOTHING, patch_dropout=1), torch.Generator().manual_seed(0))["patch_meta"]
    assert torch.equal(before["patch_meta"], kept)
    assert torch.equal(meta[..., :FILLED], kept[..., :FILLED])
    assert set(meta[..., FILLED].unique().tolist()) == {0.0, 1.0}
    shares = meta[..., FILLED].mean(dim=(1, 2))
    assert shares.max() - shares.min() > 0.2


def test_an_outer_camera_has_an_exposure_of_its_own_in_every_row() -> None:
    before = batch(TINY_FOVEATED)
    before["retina"][:], before["retina_outer"][:] = 100, 100
    after = augment(before, replace(NOTHING, offset=8), torch.Generator().manual_seed(0))
    levels = torch.cat([after[name][..., 0, 0, 0] for name in ("retina", "retina_outer")], dim=2)  # (B, T, N)
    assert torch.equal(levels[:, 0], levels[:, 1])
    assert all(len(clip.unique()) == 8 for clip in levels[:, 0])


def test_imprecise_odometry_keeps_directions_unit() -> None:
    before = batch()
    angle = torch.rand(CLIPS, ROWS, 112)
    before["memory_pose"][..., 2], before["memory_pose"][..., 3] = torch.sin(angle), torch.cos(angle)
    after = augment(before, AugmentationConfig(odometry_yaw_rad=0.2), torch.Generator().manual_seed(0))["memory_pose"]
    assert torch.allclose(after[..., 2] ** 2 + after[..., 3] ** 2, torch.ones(CLIPS, ROWS, 112), atol=1e-5)
    assert torch.equal(after[..., 4:], before["memory_pose"][..., 4:])
    assert not torch.allclose(after[..., 0], before["memory_pose"][..., 0])


def test_exposure_stays_within_what_a_byte_can_say() -> None:
    _, after = run(AugmentationConfig(gain=1.0, offset=100.0))
    for name in ("retina", "patches"):
        assert after[name].min() >= 0
        assert after[name].max() <= 256


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ego_dropout.*1\.5"):
        AugmentationConfig(ego_dropout=1.5)
