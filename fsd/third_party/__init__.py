"""Third-party ONNX models as planners."""
