"""Files for Foxglove and Rerun."""
