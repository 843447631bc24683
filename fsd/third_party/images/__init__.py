"""From the pictures of cameras to the image tensors of a third-party model."""
