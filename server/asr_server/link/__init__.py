"""What the front and the engine process share: message types and PCM in shared memory."""
