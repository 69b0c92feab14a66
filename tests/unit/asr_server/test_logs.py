"""Log lines are JSON objects."""

import json
import logging
import sys

from asr_server.logs import JsonFormatter


def render(**changes):
    record = logging.makeLogRecord(
        {"name": "asr", "levelname": "INFO", "msg": "a %s", "args": ("b",), "created": 0.0}
        | changes
    )
    return json.loads(JsonFormatter().format(record))


def test_a_line_has_time_level_logger_message_and_the_fields_given():
    expected = {"time": "1970-01-01T00:00:00+00:00", "level": "info", "logger": "asr"}
    expected |= {"message": "a b", "audio_s": 1.5}
    assert render(fields={"audio_s": 1.5}) == expected


def test_an_exception_stays_within_its_line():
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        assert "ValueError: one\ntwo" in render(exc_info=sys.exc_info())["exception"]
