"""Pure: the session state machine, FunASR's messages, audio. No I/O and no clock."""
