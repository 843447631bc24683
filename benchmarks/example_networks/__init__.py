"""Networks of usual shapes with their adapters, made by PyTorch, for the tests and `own_network.py`."""
