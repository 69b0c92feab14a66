"""Which tokens are known, and where in a request they are looked for."""

import pytest

from asr_server.service.tokens import MAX_BYTES, Tokens, find_token, parse_tokens


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b"abc", ["abc"]),
        (b"abc\r\n\n# of the call centre\n  d:e~f=  \n", ["abc", "d:e~f="]),
    ],
)
def test_a_token_is_a_line(content, tokens):
    assert parse_tokens(content) == tokens


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no token"),
        (b"# nothing\n", "has no token"),
        (b"good\nsecret words\n", "^line 2 is no token: visible ASCII characters, no spaces$"),
        ("密码".encode(), "^line 1 is no token"),
        (b"x" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_token_is_named_by_its_line_alone(content, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_tokens(content)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("authorization", "target", "token"),
    [
        ("Bearer abc", "/", "abc"),
        ("bearer  abc ", "/", "abc"),
        ("Bearer abc", "/?token=other", "abc"),
        (None, "/?token=abc", "abc"),
        (None, "/asr?x=1&token=a%2Bb&token=c", "a+b"),
        (None, "/?token=ab+cd==", "ab+cd=="),
        ("Basic abc", "/?token=abc", "abc"),
        ("Basic abc", "/", None),
        ("", "/", None),
        (None, "/?token=", None),
        (None, "//[?token=abc", None),
    ],
)
def test_a_token_is_in_the_header_or_in_the_query(authorization, target, token):
    assert find_token(authorization, target) == token


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("one\ntwo\n")
    return file


@pytest.mark.parametrize(
    ("token", "known"),
    [("one", True), ("two", True), ("on", False), ("one ", False), ("", False), (None, False)],
)
def test_a_token_is_known_or_not(file, token, known):
    assert Tokens(file).admit(token) is known


def test_a_file_that_went_bad_changes_nothing(file):
    tokens = Tokens(file)
    for content in ("three", ""):
        file.write_text(content)
        if content:
            tokens.reload()
        else:
            with pytest.raises(ValueError, match="has no token"):
                tokens.reload()
        assert (tokens.admit("one"), tokens.admit("three")) == (False, True)
    file.unlink()
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        tokens.reload()
    assert tokens.admit("three")
