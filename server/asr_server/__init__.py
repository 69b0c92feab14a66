"""A batching FunASR WebSocket server: a front process for sockets, an engine process for models."""
