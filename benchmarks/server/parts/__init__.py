"""One module for each question; each has `measure()`, which returns its figures."""
