"""The network at run time: engine, pipeline, plan."""
