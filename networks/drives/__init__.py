"""Data sets of recorded drives: compressed ticks on disk, their labels, filters and splits, and how they are read."""
