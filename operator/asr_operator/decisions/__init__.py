"""Pure decisions: what should be, what is wrong, what to report. `now` is an argument."""
