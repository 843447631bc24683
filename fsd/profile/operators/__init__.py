"""ONNX Runtime's own profile: time and cost per operator, and this machine's peaks."""
