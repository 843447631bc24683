"""The devices that a network can run on. Names only: this module does not load ONNX Runtime."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Value of `--device` -> ONNX Runtime's name."""

GPU_DEVICES = ("cuda", "tensorrt")
"""Devices with memory of their own."""

CPU_DEVICES = ("cpu", "openvino")
"""Devices that run on this machine's CPU: measurements on one may be compared with those of the other."""
