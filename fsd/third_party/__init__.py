"""Third-party ONNX models behind an adapter."""
