"""The clips and models of the replay reference."""

from importlib import resources
from pathlib import Path

from tests.reference.clips import eight_cameras_with_drops, one_camera_without_ego

CLIPS = ("packaged", "one_camera", "eight_cameras")


def clip_folder(clip: str, scratch: Path) -> Path:
    """The folder of a reference clip, made in `scratch` if it is a generated one."""
    if clip == "packaged":
        return Path(str(resources.files("fsd") / "demo_clip"))
    folder = scratch / clip
    if not folder.exists():
        {"one_camera": one_camera_without_ego, "eight_cameras": eight_cameras_with_drops}[clip](folder)
    return folder


def fp32_model(folder: Path) -> Path:
    """The packaged weights as an FP32 ONNX file in `folder`; needs the extra `export`."""
    from fsd.export.config import ExportConfig
    from fsd.export.export import export
    from fsd.networks.weights import packaged_weights

    return export(ExportConfig(weights=packaged_weights(), out=folder, int8=False, parity_ticks=0)).fp32
