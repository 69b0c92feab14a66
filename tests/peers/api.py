"""Recognise a file with FunASR's runtime/funasr_api, as its example.py does; print the text.

Runs in an environment of its own. api.py FOLDER URL SPEECH.wav {buffer|stream}
"""

import sys
from pathlib import Path

STRIDE_BYTES = 1920


def main() -> None:
    folder, url, speech, how = sys.argv[1:]
    sys.path.insert(0, folder)
    from funasr_api import FunasrApi

    client = FunasrApi(uri=url)
    audio = Path(speech).read_bytes()
    if how == "buffer":
        print("heard", client.rec_buf(audio))
        return
    stream = client.create_stream(msg_callback=print)
    for start in range(0, len(audio), STRIDE_BYTES):
        stream.feed_chunk(audio[start : start + STRIDE_BYTES])
    print("heard", stream.wait_for_end())


if __name__ == "__main__":
    main()
