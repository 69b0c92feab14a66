"""The plugin `kubectl asr`: an entry of its own that only reads, through kubectl."""
