"""The speech that tests rely on is what its manifest says, and was kept from training."""

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "utterances"
ROWS = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["utterances"]


def test_audio_is_what_the_manifest_says(utterances):
    digests = [hashlib.sha256(utterance.audio.tobytes()).hexdigest() for utterance in utterances]
    assert digests == [row["pcm_sha256"] for row in ROWS]
    assert all(len(utterance.audio) > 16000 for utterance in utterances)


def test_texts_are_apart_from_each_other_and_from_training():
    texts = [row["text"] for row in ROWS]
    assert len(set(texts)) == len(texts) == 100
    for row in ROWS:
        digest = int(hashlib.md5(row["text"].encode()).hexdigest(), 16)
        assert digest % 6 == 0 or row["kind"] == "fixed"


def test_the_checkout_stays_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000
