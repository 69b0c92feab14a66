"""Hostile clients of FunASR's protocol: `python -m benchmarks.fuzz --help`.

Seeded, so that every finding can be seen again: session N of seed S says the same each time.
"""
