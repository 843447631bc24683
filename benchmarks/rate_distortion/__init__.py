"""What compression costs in driving: run `python benchmarks/rate_distortion`, read docs/rate_distortion.md."""
