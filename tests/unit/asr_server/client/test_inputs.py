"""Which files are found, and how their outputs are called."""

from pathlib import Path

import pytest

from asr_server.client.arguments import UsageError
from asr_server.client.inputs import (
    Recording,
    UnreadableError,
    cut_live,
    estimate_ms,
    find_recordings,
    read_samples,
)
from asr_server.speech.audio import Container


@pytest.fixture
def folder(tmp_path):
    for name in ("b.mp3", "sub/a.wav", "sub/a.flac", "sub/note.txt", "c.PCM"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(32000))
    return tmp_path


def test_audio_in_folders_is_found_and_outputs_have_names_of_their_own(folder):
    found = find_recordings([folder])
    names = {str(recording.path.relative_to(folder)): str(recording.name) for recording in found}
    assert names == {
        "b.mp3": "b", "c.PCM": "c", "sub/a.flac": "sub/a.flac", "sub/a.wav": "sub/a.wav",
    }  # fmt: skip


def test_a_file_may_have_any_name_and_counts_once(folder):
    note = folder / "sub" / "note.txt"
    assert [r.path for r in find_recordings([note, note])] == [note]


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["sub/none"], "no audio in this folder"),
        (["sub/a.wav", "other/a.wav"], "same name"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_sent(folder, paths, reason):
    (folder / "sub" / "none").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "a.wav").touch()
    with pytest.raises(UsageError, match=reason):
        find_recordings([folder / path for path in paths])


@pytest.mark.parametrize(
    ("name", "form"), [("a.MP3", "mp3"), ("a.pcm", "pcm"), ("a.raw", "pcm"), ("a", "others")]
)
def test_the_format_is_what_the_name_says(name, form):
    assert Recording(Path(name), Path(name)).wav_format == form


def test_live_modes_take_samples_and_say_what_they_cannot_take(folder):
    raw = folder / "c.PCM"
    assert len(read_samples(raw, Container.PCM, 8000)) == pytest.approx(64000, abs=10)
    with pytest.raises(UnreadableError, match=r"take .pcm and .wav alone"):
        read_samples(folder / "b.mp3", Container.FILE, 16000)
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        read_samples(folder / "none", Container.FILE, 16000)
    assert [len(piece) for piece in cut_live(bytes(4000))] == [1920, 1920, 160]


def test_how_long_a_file_is_where_its_size_tells(folder):
    raw = Recording(folder / "c.PCM", Path("c"))
    assert (estimate_ms(raw, 16000), estimate_ms(raw, 8000)) == (1000, 2000)
    assert estimate_ms(Recording(folder / "b.mp3", Path("b")), 16000) is None
