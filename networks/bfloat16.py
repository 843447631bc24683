"""Whether a device has instructions for bfloat16: without them it is 8 to 24 times slower than float32."""

import torch


def has_bfloat16(device: str) -> bool:
    """Whether the device (`cpu`, `cuda` or `cuda:N`) multiplies bfloat16 by instructions of its own."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not hasattr(torch.cpu, "_is_avx512_bf16_supported"):  # a private name: slower, not wrong, without it
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
