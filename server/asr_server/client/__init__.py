"""`asr-client`: sends files or the microphone to a FunASR server. Of ours it knows speech alone."""
