"""The overlay video."""
