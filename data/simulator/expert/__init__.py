"""The expert driver: what it perceives, how it drives, and the labels for training."""
