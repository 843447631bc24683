"""Network to quantized ONNX, and the proof that both agree."""
