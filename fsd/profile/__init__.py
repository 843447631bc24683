"""`fsd profile`: how long a tick takes, how steadily, on what, and for how many joules.

Statistics (percentiles, deadlines, trend, comparison) know numbers only. Power meters and the device model know no
pipeline. Scenarios run the real pipeline and leave samples; the report turns samples into figures.
"""
