"""`fsd evaluate`, and `fsd replay` of a data set: networks on recorded drives that were compressed before."""
