"""How many replicas, and how large a batch: pure decisions from values and `now`."""
