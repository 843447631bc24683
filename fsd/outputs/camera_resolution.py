"""How finely the network gets the picture of a camera: source pixels per sample, and pixels per degree."""

import msgspec

from fsd.compression.budget import PATCH_GRID_PX, Budget
from fsd.data.camera_model import pixels_per_degree
from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera


class CameraResolution(msgspec.Struct, frozen=True, kw_only=True):
    """One camera of a rig.

    Attributes:
        size_px: width and height of its pictures.
        patch_sample_px, retina_sample_px: source pixels per sample of a patch and of the retina, across and down; below
            1, pixels are repeated.
        source_px_per_degree, patch_px_per_degree, retina_px_per_degree: along the row at the picture's centre, by the
            rig's lens; repeated pixels do not count. None where the lens does not reach the centre.
    """

    size_px: tuple[int, int]
    patch_sample_px: tuple[float, float]
    retina_sample_px: tuple[float, float]
    source_px_per_degree: float | None
    patch_px_per_degree: float | None
    retina_px_per_degree: float | None

    @property
    def px_per_degree_cells(self) -> tuple[str, str, str]:
        """Source, patch and retina, for a table; `–` where it is not known."""
        source, patch, retina = (
            "–" if value is None else f"{value:.1f}"
            for value in (self.source_px_per_degree, self.patch_px_per_degree, self.retina_px_per_degree)
        )
        return source, patch, retina


def camera_resolution(camera: Camera, budget: Budget, index: int = 0) -> CameraResolution:
    """The resolution of one camera with a budget; `index` in `CAMERAS` matters to budgets with a fovea."""
    base_height_px, base_width_px = budget.base_px(index)
    size_px = camera.width_px, camera.height_px
    patch, retina = (
        (size_px[0] / width, size_px[1] / height) for width, height in (PATCH_GRID_PX, (base_width_px, base_height_px))
    )
    source = pixels_per_degree(camera)
    return CameraResolution(
        size_px=size_px,
        patch_sample_px=(round(patch[0], 3), round(patch[1], 3)),
        retina_sample_px=(round(retina[0], 3), round(retina[1], 3)),
        source_px_per_degree=_rounded(source),
        patch_px_per_degree=_rounded(source and source / max(1.0, patch[0])),
        retina_px_per_degree=_rounded(source and source / max(1.0, retina[0])),
    )


def clip_resolution(clip: Clip, budget: Budget) -> dict[str, CameraResolution]:
    """Camera -> its resolution, for the cameras of a recording that its rig describes."""
    cameras = ((name, clip.rig.camera(name)) for name in clip.sizes_px)
    return {
        name: camera_resolution(camera, budget, CAMERAS.index(name)) for name, camera in cameras if camera is not None
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
