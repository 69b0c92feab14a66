"""A watched file changes what is in force; a bad one changes nothing and says why once."""

import json
import logging
import os
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from asr_server.metrics import ServerMetrics
from asr_server.service.live_config import LiveConfig, LiveValues, parse_live_config

FLAGS = LiveValues(
    0,
    batch_size=16,
    batch_audio_s=120.0,
    max_wait_ms=20.0,
    max_sessions=200,
    shed_late_ms=100.0,
    partial_interval_ms=2400.0,
)
FULL = {
    "generation": 3,
    "batch_size": 4,
    "batch_audio_s": 60,
    "max_wait_ms": 0,
    "max_sessions": 9,
    "shed_late_ms": 0,
    "partial_interval_ms": 1200,
}
FULL_VALUES = LiveValues(3, 4, 60.0, 0.0, 9, 0.0, 1200.0)
WORDS = ("打开", "hello world")


class Watched:
    def __init__(self, path):
        self.registry, self.applied, self.path = CollectorRegistry(), [], path
        metrics = ServerMetrics(self.registry)
        self.config = LiveConfig(FLAGS, metrics, self.applied.append)

    def check(self, content=None):
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            self.path.write_text(text)
        self.config.check(self.path)
        return self.applied[-1]

    def value(self, name):
        return self.registry.get_sample_value(name)


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path / "config.json")


def test_every_key_is_read():
    content = json.dumps({**FULL, "hotwords": WORDS}).encode()
    assert parse_live_config(content, FLAGS) == replace(FULL_VALUES, hotwords=WORDS)


def test_an_absent_key_has_the_value_of_its_flag_and_an_unknown_one_is_ignored():
    content = b'{"generation": 7, "batch_size": 2, "hotword_weight": 5}'
    assert parse_live_config(content, FLAGS) == LiveValues(7, 2, 120.0, 20.0, 200, 100.0, 2400.0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"batch_size: 4", "malformed"),
        (b"[]", "object"),
        (b"{}", "generation"),
        (b"\xff{}", "malformed"),
        (b'{"generation": "1"}', r"\$.generation"),
        (b'{"generation": -1}', r"\$.generation"),
        (b'{"generation": 1, "batch_size": 0}', r"\$.batch_size"),
        (b'{"generation": 1, "batch_size": 1.5}', r"\$.batch_size"),
        (b'{"generation": 1, "batch_audio_s": 0}', r"\$.batch_audio_s"),
        (b'{"generation": 1, "max_wait_ms": -1}', r"\$.max_wait_ms"),
        (b'{"generation": 1, "max_sessions": 0}', r"\$.max_sessions"),
        (b'{"generation": 1, "shed_late_ms": -1}', r"\$.shed_late_ms"),
        (b'{"generation": 1, "partial_interval_ms": "2s"}', r"\$.partial_interval_ms"),
        (b'{"generation": 1, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
        (b" " * 270_000, "more than 262144 bytes"),
        (b'{"generation": 1, "hotwords": "a b"}', r"\$.hotwords"),
        (b'{"generation": 1, "hotwords": [""]}', r"\$.hotwords"),
        (b'{"generation": 1, "hotwords": ["' + b"x" * 65 + b'"]}', r"\$.hotwords"),
        (b'{"generation": 1, "hotwords": [' + b'"x",' * 1000 + b'"x"]}', r"\$.hotwords"),
    ],
)
def test_a_bad_file_is_refused_with_a_reason_that_names_the_key(content, reason):
    with pytest.raises(ValueError, match=reason):
        parse_live_config(content, FLAGS)


def test_the_log_counts_hotwords_and_does_not_repeat_them():
    assert replace(FULL_VALUES, hotwords=WORDS).describe() == {**FULL, "hotwords": 2}


def test_the_flags_are_in_force_until_a_file_is_read(watched):
    assert watched.applied == [FLAGS]
    assert watched.value("asr_config_generation") == 0


def test_a_file_is_put_in_force_and_shown(watched):
    assert watched.check(FULL) == FULL_VALUES
    shown = ["asr_config_generation", "asr_batch_size_limit", "asr_batch_audio_limit_seconds"]
    assert [watched.value(name) for name in shown] == [3, 4, 60]
    assert watched.value("asr_max_wait_seconds") == 0


def test_an_unchanged_file_is_not_applied_again(watched):
    watched.check(FULL)
    watched.check(FULL)
    assert len(watched.applied) == 2


def test_a_bad_file_keeps_the_old_values_and_says_why_once(watched, caplog):
    watched.check(FULL)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert watched.check("{broken").generation == 3
    assert watched.value("asr_config_errors_total") == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert watched.check({**FULL, "generation": 4}).generation == 4


def test_a_missing_file_is_told_once_and_used_when_it_comes(watched, caplog):
    watched.check()
    watched.check()
    assert "No such file" in caplog.text
    assert watched.value("asr_config_errors_total") == 1
    assert watched.check(FULL).generation == 3


def test_the_swap_of_a_mounted_config_map_is_seen(watched, tmp_path):
    for generation in (1, 2):
        folder = tmp_path / f"..data_{generation}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**FULL, "generation": generation}))
        (tmp_path / "..tmp").symlink_to(folder.name)
        os.replace(tmp_path / "..tmp", tmp_path / "..data")
        if generation == 1:
            watched.path.symlink_to("..data/config.json")
        assert watched.check().generation == generation
