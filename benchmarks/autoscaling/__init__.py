"""The autoscaler against other rules and against oracles, in simulation."""
