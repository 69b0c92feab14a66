"""Open-loop load of people who speak: `python -m benchmarks.load --help`.

Sessions of FunASR's stock protocol come whether or not earlier ones are done, speak in real time,
and say things that nobody else says, so that each answer can be told from every other. Nothing here
imports the server: it speaks to any server of that protocol.
"""
