"""`fsd calibrate`: estimate the calibration of a recording from the recording itself."""
