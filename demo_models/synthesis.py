"""Speak the utterances of a set and compute their features with FunASR's own front end."""

import json
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend  # before any fork: it takes seconds
from numpy.typing import NDArray

from demo_models import configs, dataset, grammar, jobs, speech

COPIES = 2
_WORKERS = 2
_REPORT_EVERY = 500


def make_dataset(folder: Path, wanted: Sequence[jobs.Job], copies: int) -> float:
    """Speak and store a set, rows.json last, and return how many seconds of audio it has."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dataset.Row] = []
    samples = steps = 0
    began = time.monotonic()
    with (
        (folder / "audio.i16").open("wb") as audio_file,
        (folder / "features.f16").open("wb") as feature_file,
    ):
        for job, (audio, features) in zip(wanted, _make_all(wanted, copies), strict=True):
            places = []
            for copy in features:
                places.append((steps, len(copy)))
                steps += len(copy)
                feature_file.write(copy.tobytes())
            audio_file.write(audio.tobytes())
            text, has_pause = grammar.write_text(job.script), grammar.PAUSE in job.script
            rows.append(dataset.Row(job.kind, text, has_pause, samples, len(audio), places))
            samples += len(audio)
            if len(rows) % _REPORT_EVERY == 0:
                elapsed_s = time.monotonic() - began
                print(f"{folder.name}: {len(rows)} of {len(wanted)} utterances, {elapsed_s:.0f} s")
    text = json.dumps([asdict(row) for row in rows], ensure_ascii=False)
    (folder / "rows.json").write_text(text, encoding="utf-8")
    return samples / speech.RATE_HZ


def _make_all(
    wanted: Sequence[jobs.Job], copies: int
) -> Iterator[tuple[NDArray[np.int16], list[NDArray[np.float16]]]]:
    context = multiprocessing.get_context("fork")
    with context.Pool(_WORKERS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap(_make, [(job, copies) for job in wanted], chunksize=16)


def _make(task: tuple[jobs.Job, int]) -> tuple[NDArray[np.int16], list[NDArray[np.float16]]]:
    job, copies = task
    draw = random.Random(job.seed)
    if job.script:
        recording = speech.synthesise(job.script, job.manner, job.seed)
    else:
        length = int(draw.uniform(0.5, 3) * speech.RATE_HZ)
        recording = speech.draw_no_speech(draw, length)
    audio = (np.clip(recording, -1, 1) * 32767).astype(np.int16)
    front = WavFrontend(**configs.FRONTEND_LFR)
    features = []
    for _ in range(copies):
        heard = torch.from_numpy(speech.disturb(draw, audio.astype(np.float32) / np.float32(32768)))
        features.append(front(heard[None], [len(heard)])[0][0].half().numpy())
    return audio, features
