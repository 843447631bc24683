"""Percentiles, memory growth, deadlines, and the comparison of two samples."""
