"""Percentiles, trend, deadlines, and whether two samples differ."""
