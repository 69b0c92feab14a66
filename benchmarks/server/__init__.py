"""The server's speed beside FunASR's own servers, in one run: `make bench`."""
