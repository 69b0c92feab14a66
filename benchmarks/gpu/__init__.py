"""The server on a GPU: is it right, how fast is it, how many sessions: `make gpu`."""
