"""Another ONNX model at run time: pictures in its own size and colours, its own recurrent state, one answer a tick.

Follows an `Adapter`; what the answer means as a plan is `adapted_plan.py`'s business.
"""

from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np

from fsd.compression.budget import PATCH_PX, Budget
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.networks.contract import ModelMetadata
from fsd.networks.model_metadata import describe
from fsd.networks.onnx_session import open_session, session_signature
from fsd.third_party.adapter import Adapter, ImageInput, load_adapter

MID_GREY = 128
_SMALLEST_BASE_PX = 8


class AdaptedModel:
    """Runs a third-party model tick by tick, keeping its recurrent state.

    Attributes:
        adapter: the mapping.
        metadata: what results say about the model; `budget` has as many pixels as the model takes, to within 1024.
    """

    def __init__(self, model: Path, adapter: Path, threads: int = 1, device: str = "cpu") -> None:
        """Load both files; `device` is one of `devices.PROVIDERS`.

        Raises:
            ModelError: a file is missing or damaged, or the adapter does not fit the model: names the field; or the
                device is not there, or would leave part of the model to the CPU.
        """
        self.model, self.adapter = Path(model), load_adapter(Path(adapter))
        self.device = device
        self._session = open_session(self.model, threads, device)
        self._inputs = session_signature(self._session.get_inputs())
        outputs = session_signature(self._session.get_outputs())
        problem = _misfit(self.adapter, self._inputs, outputs)
        if problem:
            raise ModelError(f"{adapter} does not fit {model}: {problem}")
        self._wanted = [name for name in outputs if name in _outputs_used(self.adapter)]
        pixels = sum(image.width_px * image.height_px for image in self.adapter.images)
        base = _SMALLEST_BASE_PX
        patches = max(1, round((pixels - len(CAMERAS) * base * base) / PATCH_PX**2))
        self.budget = Budget("adapted", base, base, patches)
        self.metadata: ModelMetadata = describe(
            self.adapter.name, self.budget, self.adapter.trained, "as given", "any", ""
        )
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of a clip."""
        self.feeds = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._inputs.items()}

    def load(self, frame_set: FrameSet, ego: EgoSample | None, command: str) -> None:
        """Put one tick's pictures, motion and command into the inputs."""
        for image in self.adapter.images:
            index = CAMERAS.index(image.camera)
            frame = frame_set.frames[index] if frame_set.is_valid[index] else None
            target = self.feeds[image.name]
            target[...] = picture_values(image, frame).reshape(target.shape)
        for entry in self.adapter.ego:
            values = [0.0 if ego is None else getattr(ego, quantity) for quantity in entry.quantities]
            target = self.feeds[entry.name]
            target[...] = (np.nan_to_num(np.array(values)) * entry.scale).reshape(target.shape)
        for choice in self.adapter.commands:
            target = self.feeds[choice.name]
            target[...] = np.array(choice.values.get(command, choice.values["none"])).reshape(target.shape)

    def run(self) -> dict[str, np.ndarray]:
        """Outputs by name; the recurrent ones become inputs, unless one number anywhere is not finite."""
        answer = dict(zip(self._wanted, self._session.run(self._wanted, self.feeds), strict=True))
        if all(bool(np.isfinite(value).all()) for value in answer.values()):
            for pair in self.adapter.state:
                self.feeds[pair.input][...] = answer[pair.output]
        return answer


def picture_values(image: ImageInput, frame: Frame | None) -> np.ndarray:
    """A frame as the model wants it, without its batch axis; mid grey where there is none."""
    shape = (image.height_px, image.width_px, 1 if image.colour == "gray" else 3)
    pixels: np.ndarray
    if frame is None:
        pixels = np.full(shape, MID_GREY, np.uint8)
    else:
        pixel_format = {"rgb": "rgb24", "bgr": "bgr24", "gray": "gray"}[image.colour]
        shown = _picture(frame).reformat(width=image.width_px, height=image.height_px, format=pixel_format)
        pixels = shown.to_ndarray().reshape(shape)
    values = (pixels.astype(np.float32) * image.scale - np.array(image.mean)) / np.array(image.std)
    return values if image.layout.endswith("hwc") else values.transpose(2, 0, 1)


def _picture(frame: Frame) -> av.VideoFrame:
    """The frame as the decoder left it, or put together again from its planes."""
    if isinstance(frame.picture, av.VideoFrame):
        return frame.picture
    height, width = frame.y_plane.shape[0] // 2 * 2, frame.y_plane.shape[1] // 2 * 2
    planes = (frame.y_plane[:height, :width], *(p[: height // 2, : width // 2] for p in (frame.u_plane, frame.v_plane)))
    packed = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, width)
    return av.VideoFrame.from_ndarray(packed, format="yuv420p")


Signature = Mapping[str, tuple[tuple[int, ...], str]]


def _outputs_used(adapter: Adapter) -> dict[str, tuple[str, int]]:
    """Output -> (field that names it, how many numbers it must have)."""
    outputs = adapter.outputs
    used: dict[str, tuple[str, int]] = {}
    if outputs.waypoints is not None:
        path = outputs.waypoints
        used[path.name] = ("outputs.waypoints", path.start + path.points * len(path.columns))
    for field in ("curvature_per_m", "steering", "acceleration_mps2", "speed_mps"):
        told = getattr(outputs, field)
        if told is not None:
            used[told.name] = (f"outputs.{field}", max(told.index + 1, used.get(told.name, ("", 0))[1]))
    used |= {pair.output: (f"state[{i}].output", 1) for i, pair in enumerate(adapter.state) if pair.output not in used}
    return used


def _misfit(adapter: Adapter, inputs: Signature, outputs: Signature) -> str | None:
    """A sentence about the first thing that does not fit; None if all does."""
    wanted: dict[str, tuple[str, int | None]] = {}
    for index, image in enumerate(adapter.images):
        channels = 1 if image.colour == "gray" else 3
        wanted[image.name] = (f"images[{index}].name", image.width_px * image.height_px * channels)
    for index, entry in enumerate(adapter.ego):
        wanted[entry.name] = (f"ego[{index}].name", len(entry.quantities))
    for index, choice in enumerate(adapter.commands):
        wanted[choice.name] = (f"commands[{index}].name", len(choice.values["none"]))
    wanted |= {pair.input: (f"state[{index}].input", None) for index, pair in enumerate(adapter.state)}
    for name, (field, size) in wanted.items():
        if name not in inputs:
            return f"`{field}` is {name!r}, but the model's inputs are {', '.join(inputs)}."
        shape = inputs[name][0]
        if -1 in shape:
            return f"The model's input {name!r} has a free axis {list(shape)}. Fix it (export with a batch of 1)."
        if size is not None and int(np.prod(shape)) != size:
            return f"`{field}` says {size} numbers, but the model's input {name!r} has shape {list(shape)}."
    for index, image in enumerate(adapter.images):
        channels = 1 if image.colour == "gray" else 3
        chw, hwc = (channels, image.height_px, image.width_px), (image.height_px, image.width_px, channels)
        expected = (1,) * image.layout.startswith("n") + (hwc if image.layout.endswith("hwc") else chw)
        if inputs[image.name][0] != expected:
            came = list(inputs[image.name][0])
            return f"`images[{index}]` says {list(expected)}, but the model's input {image.name!r} has shape {came}."
    unfed = sorted(set(inputs) - set(wanted))
    if unfed:
        places = "`images`, `ego`, `commands` or `state`"
        return f"Nothing feeds the model's input {', '.join(unfed)}; name it under {places}."
    for name, (field, size) in _outputs_used(adapter).items():
        if name not in outputs:
            return f"`{field}` is {name!r}, but the model's outputs are {', '.join(outputs)}."
        shape = outputs[name][0]
        if -1 not in shape and int(np.prod(shape)) < size:
            return f"`{field}` needs {size} numbers, but the model's output {name!r} has shape {list(shape)}."
    for index, pair in enumerate(adapter.state):
        if inputs[pair.input] != outputs[pair.output]:
            return (
                f"`state[{index}]` pairs {pair.output!r} {outputs[pair.output]} with {pair.input!r} "
                f"{inputs[pair.input]}; shape and type must be the same."
            )
    return None
