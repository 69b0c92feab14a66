"""Recognise a file with the PyPI package funasr-client and print what came.

pypi.py URL SPEECH.wav MODE
"""

import asyncio
import json
import sys

from funasr_client import async_file_asr_stream


async def main() -> None:
    url, speech, mode = sys.argv[1:]
    async for message in async_file_asr_stream(speech, url, mode, hotwords={"阳台": 20}):
        print(json.dumps(message))


if __name__ == "__main__":
    asyncio.run(main())
