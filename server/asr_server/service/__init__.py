"""asyncio: sockets, admission, drain, live configuration, and the engine process. No torch."""
