"""The AsrService operator: observe the cluster, decide with pure functions, apply."""
