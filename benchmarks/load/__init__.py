"""The people of `asr-bench`, so many at a time as steps say: `python -m benchmarks.load --help`.

They come whether or not earlier ones are done, and say things that nobody else says, so that each
answer can be told from every other. It speaks to any server of FunASR's protocol.
"""
