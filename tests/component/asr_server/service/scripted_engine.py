"""An engine without models: what it does with an utterance depends on the first sample.

Usage: scripted_engine.py MODE FOLDER, then the flags of the real engine. Modes: serve, fail (to
load), load (without end), vanish (before it loaded), once (the first start serves, later ones
fail), deaf (the first start talks nonsense, and does not see the end of the channel), beat (serve,
and say all the time that the process runs).
"""

import argparse
import os
import pathlib
import signal
import socket
import threading

import msgspec

from asr_server.link import arena, channel
from asr_server.link.messages import (
    Alive,
    BatchRan,
    Cancel,
    Configure,
    EndStream,
    Feed,
    Final,
    Loaded,
    LoadFailed,
    OpenStream,
    Recognized,
    StreamEnded,
)

POISON, DIE_ONCE, HOLD, TELL_LIMIT, BABBLE_ONCE, HANG, HANG_ONCE = range(66, 73)
TELL_HOTWORDS = 73


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--fd", type=int)
    parser.add_argument("--arena-fd", type=int)
    parser.add_argument("--arena-samples", type=int)
    given = parser.parse_known_args()[0]
    front = channel.EngineChannel(socket.socket(fileno=given.fd))
    starts = len(list(given.folder.glob("start-*")))
    (given.folder / f"start-{starts}-{os.getpid()}").touch()
    if given.mode == "vanish":
        return
    if given.mode == "load":
        signal.pause()
    if given.mode == "fail" or (given.mode == "once" and starts > 0):
        front.send([LoadFailed("no model here: put one there")])
        return
    front.send([Loaded("scripted", "cpu", "float32", 0.1)])
    if given.mode == "deaf" and starts == 0:
        front.receive()
        front.send([msgspec.Raw(b"babble")])
        signal.pause()
    if given.mode == "beat":
        front.send([Alive()])
        threading.Thread(target=beat, args=[front], daemon=True).start()
    serve(front, arena.attach(given.arena_fd, given.arena_samples), given.folder)


def beat(front):
    pause = threading.Event()
    while not pause.wait(0.05):
        front.send([Alive()])


def serve(front, memory, folder):
    limits, opened, heard = None, {}, {}
    while (message := front.receive()) is not None:
        if isinstance(message, Configure):
            limits = message.limits
        elif isinstance(message, Cancel):
            (folder / f"cancel-{message.item_id}").touch()
        elif isinstance(message, OpenStream):
            opened[message.stream_id], heard[message.stream_id] = message, 0
        elif isinstance(message, Feed):
            if POISON in memory[message.offset : message.offset + message.samples]:
                os.kill(os.getpid(), signal.SIGKILL)
            heard[message.stream_id] += message.samples
        elif isinstance(message, EndStream):
            front.send(finish(opened[message.stream_id], heard[message.stream_id]))
        else:
            audio = memory[message.offset : message.offset + message.samples]
            front.send(answer(message, audio, limits, folder))


def finish(opened, heard):
    number, start = opened.first_utterance, opened.start
    told = " ".join([f"{heard} samples", *opened.hints.hotwords])
    final = Final(opened.stream_id, number, start, start + heard, told)
    return [final, StreamEnded(opened.stream_id)]


def answer(message, audio, limits, folder):
    seen = (folder / f"item-{message.item_id}").exists()
    (folder / f"item-{message.item_id}").touch()
    first = int(audio[0])
    if first == POISON or (first == DIE_ONCE and not seen):
        os.kill(os.getpid(), signal.SIGKILL)
    if first == HANG or (first == HANG_ONCE and not seen):
        os.kill(os.getpid(), signal.SIGSTOP)
    if first == BABBLE_ONCE and not seen:
        return [msgspec.Raw(b"babble")]
    if first == HOLD:
        return []
    text = str(limits.batch_size) if first == TELL_LIMIT else f"{int(audio.sum())}"
    if first == TELL_HOTWORDS:
        text = " ".join(message.hints.hotwords)
    ran = BatchRan("asr", 1, 1.0, 1.0, 0.01, 0.01, "idle", ("file",), (0.0,))
    return [Recognized(message.item_id, text, ()), ran]


if __name__ == "__main__":
    main()
