"""The engine process: it owns the models and the device, and batches across sessions.

`python -m asr_server.engine` is its entry. It reads no environment and opens no socket: everything
comes by its command line and by the channel that its parent hands down.
"""
