"""Pitch, yaw and focal length of cameras, estimated from a recording itself."""
