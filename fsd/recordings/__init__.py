"""What is in a recording, or on a stick of them, without replaying it."""
