"""How others decide how many replicas there are, by their documented rules; the batch size of
each is fixed. What each measures is mapped to what speech servers have (see the module)."""
