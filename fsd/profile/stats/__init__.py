"""Percentiles, trends, deadlines, and the comparison of two samples."""
