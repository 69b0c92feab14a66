"""The AsrService resource as data, and every shared name. Knows nothing of the rest."""
