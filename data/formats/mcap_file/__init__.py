"""MCAP files: Foxglove and ROS 2 messages, and `drive.mcap` of a replay."""
