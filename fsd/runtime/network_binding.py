"""Run a session on arrays that never move, on the CPU or by way of buffers on a GPU.

Knows names and arrays, not what they mean.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import onnxruntime

from fsd.networks.devices import GPU_DEVICES

Arrays = Mapping[str, np.ndarray]


class NetworkBinding(Protocol):
    """A session with its inputs and outputs."""

    def run(self) -> None:
        """Compute the outputs from what the inputs hold now."""


def bind(session: onnxruntime.InferenceSession, inputs: Arrays, outputs: Arrays, device: str) -> NetworkBinding:
    """Bind every input and output of a session that was opened for `device` to its array, by name."""
    if device in GPU_DEVICES:
        return DeviceBinding(session, inputs, outputs)
    return HostBinding(session, inputs, outputs)


class HostBinding:
    """The session reads and writes the arrays themselves."""

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Arrays, outputs: Arrays) -> None:
        self._session, self._binding = session, session.io_binding()
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(self) -> None:
        """Run in place."""
        self._session.run_with_iobinding(self._binding)


class DeviceBinding:
    """The session reads and writes buffers on a device; a run copies the inputs there and the outputs back.

    The buffers keep their addresses, as a CUDA graph requires. ONNX Runtime waits for the device at the end of a run.

    Args:
        memory: ONNX Runtime's name of the device's memory.

    Source: ONNX Runtime, CUDA Execution Provider, "Using CUDA Graphs".
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, inputs: Arrays, outputs: Arrays, memory: str = "cuda"
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._inputs, self._outputs = inputs, outputs
        place = onnxruntime.OrtValue.ortvalue_from_numpy
        self._device_inputs = {name: place(array, memory, 0) for name, array in inputs.items()}
        self._device_outputs = {name: place(array, memory, 0) for name, array in outputs.items()}
        for name, value in self._device_inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._device_outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self) -> None:
        """Copy in, run, copy out."""
        for name, value in self._device_inputs.items():
            value.update_inplace(self._inputs[name])
        self._session.run_with_iobinding(self._binding)
        for name, value in self._device_outputs.items():
            np.copyto(self._outputs[name], value.numpy())
