"""The network at run time: planner protocol, engine, our planner, plan."""
