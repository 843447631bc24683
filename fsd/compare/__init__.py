"""Two replays side by side."""
