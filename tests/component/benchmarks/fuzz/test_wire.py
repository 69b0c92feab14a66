"""A short attack on a real server: nobody who means well notices."""

import pytest

from benchmarks.fuzz import wire


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_a_short_attack_finds_nothing():
    counts, findings = await wire.attack("d", 500)  # its first five clients are of all kinds
    assert findings == []
    assert counts["messages"] >= 500
    for kind in ("good", "polite", "rude", "deaf", "broken_handshakes", "replies"):
        assert counts[kind] > 0
