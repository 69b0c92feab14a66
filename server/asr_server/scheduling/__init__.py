"""Which work runs next: pure rules over values. `now` is an argument; no I/O and no torch here."""
