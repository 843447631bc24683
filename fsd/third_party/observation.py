"""What a third-party model receives at one step: every input that does not come from its own outputs.

Works on frame sets, motion and commands; it knows no model file and runs nothing.
"""

from collections.abc import Collection

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import Adapter
from fsd.third_party.calibration_matrices import calibration_values
from fsd.third_party.command_inputs import CommandInputs
from fsd.third_party.compressed_inputs import CompressedInputs
from fsd.third_party.ego_inputs import EgoInputs
from fsd.third_party.images.image_tensor import ImageTensor
from fsd.third_party.images.pixel_values import exact_values
from fsd.third_party.input_checks import fixed_signature
from fsd.third_party.rig_checks import calibration_warnings, check_cameras

ASSUMED_RIG = "assumed"
"""Name of a rig that `standard_rigs.assumed_rig` made."""


class Observer:
    """Makes a model's inputs step by step.

    One call of `observe` is one step of the model, whatever its rate: history counts calls. A new run of the recording
    starts anew.

    Attributes:
        warnings: sentences about inputs that rely on an assumed calibration.
    """

    def __init__(
        self,
        adapter: Adapter,
        signature: Signature,
        rig: Rig,
        *,
        recorded: Collection[str] | None = None,
        rig_is_assumed: bool = False,
    ) -> None:
        """Make all inputs for recordings of one rig; the adapter must fit the model (`check_model`).

        Args:
            signature: of the model's inputs; free axes are fixed by the adapter's `shapes`.
            recorded: canonical cameras that have pictures; None takes those of the rig.
            rig_is_assumed: whether the rig is not that of the recording (`Clip.rig_is_assumed`).

        Raises:
            ModelError: all cameras of the model are missing, one has no calibration and needs it, or an input has a
                free axis.
        """
        check_cameras(adapter, rig, recorded)
        self.warnings = calibration_warnings(adapter) if rig_is_assumed or rig.name == ASSUMED_RIG else ()
        fixed = fixed_signature(adapter, signature)
        named = [adapter.images, adapter.ego, adapter.commands, adapter.constants, adapter.calibration]
        names = [entry.name for entries in named for entry in entries]  # type: ignore[attr-defined]
        if adapter.compressed is not None:
            names += adapter.compressed.tensors.values()
        self._arrays = {name: np.zeros(*fixed[name]) for name in names}
        self._images = [ImageTensor(image, self._arrays[image.name], rig) for image in adapter.images]
        self._ego = EgoInputs(adapter.ego, self._arrays)
        self._commands = CommandInputs(adapter.commands, self._arrays)
        for constant in adapter.constants:
            target = self._arrays[constant.name]
            values = exact_values(np.array(constant.values), str(target.dtype))
            target[...] = values if len(values) == 1 else values.reshape(target.shape)
        for matrix in adapter.calibration:
            target = self._arrays[matrix.name]
            target[...] = calibration_values(matrix, adapter.images, rig).reshape(target.shape)
        self._compressed = CompressedInputs(adapter.compressed, self._arrays) if adapter.compressed else None
        self._run = 0

    def reset(self) -> None:
        """Forget all earlier steps."""
        for image in self._images:
            image.reset()
        self._ego.reset()
        self._commands.reset()

    def observe(
        self, frame_set: FrameSet, ego: EgoSample | None, command: str, compressed: CompressedTick | None = None
    ) -> dict[str, np.ndarray]:
        """One step's inputs by name, in the model's shapes and types.

        The arrays belong to the observer and are overwritten by its next call: copy what has to live longer.

        Args:
            command: one of `COMMANDS`; those that the adapter leaves out count as `none`.
            compressed: the tick's, for an adapter with `compressed` inputs; `ego` and `command` enter these as well.

        Raises:
            ModelError: the adapter has `compressed` inputs and there is no tick, or it has another budget.
        """
        if frame_set.run != self._run:
            self.reset()
            self._run = frame_set.run
        for image in self._images:
            image.load(frame_set)
        self._ego.load(frame_set.timestamp_ns, ego)
        self._commands.load(command)
        if self._compressed is not None:
            self._compressed.load(compressed, ego, command)
        return dict(self._arrays)
