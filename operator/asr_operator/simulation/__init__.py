"""A service under a load that is not there: what the autoscaler would make of it."""
