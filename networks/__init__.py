"""The one network, cameras to plan: its contract, its PyTorch code, its packaged weights."""
