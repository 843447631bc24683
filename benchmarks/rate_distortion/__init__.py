"""What compression costs in driving. `python benchmarks/rate_distortion` runs it; docs/rate_distortion.md explains it."""
