"""`fsd dataset build`: recordings, once through the compressor, as a data set to train on and to score with."""
