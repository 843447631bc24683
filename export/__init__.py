"""Export the network to quantized ONNX and check that both agree."""
