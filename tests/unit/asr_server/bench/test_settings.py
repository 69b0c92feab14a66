"""The command line of asr-bench."""

import pytest

from asr_server.bench.settings import parse_settings
from asr_server.client.arguments import UsageError

URL = "ws://localhost:10095"


def test_defaults():
    found = parse_settings([URL])
    assert (found.mode, found.levels, found.objective_s) == ("2pass", (), 0.5)
    assert found.speech.lengths == "recorded"
    assert parse_settings([URL, "--mode=offline"]).speech.lengths == "numbers"
    assert parse_settings([URL, "--sessions=1,20"]).levels == (1, 20)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "required: ws://HOST:PORT"),
        (["http://localhost"], "no server: write ws://"),
        ([URL, "--sessions=0"], "'0' is not a whole number from 1"),
        ([URL, "--sessions=1,x"], "'x' is not a whole number"),
        ([URL, "--duration=0"], "'0' is not a number from 1"),
        ([URL, "--silence=1"], "'1' is not a number from 0 to 0.95"),
        ([URL, "--lengths=long"], "none of recorded, numbers, lognormal"),
        ([URL, "--lengths=lognormal"], "the median is 0.4 to 30 seconds"),
        ([URL, "--first=9", "--most=8"], "--first is more than --most"),
        ([URL, "--json=/nowhere/b.json"], "there is no folder /nowhere"),
        ([URL, "--speech=/nowhere"], "/nowhere: no such folder"),
    ],
)
def test_what_makes_no_sense_is_told(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        parse_settings(arguments)
