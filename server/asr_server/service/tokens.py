"""Who may connect: a file with a token in each line, read again when it changes.

Tokens are kept as digests, compared in constant time, and never logged.
"""

import hashlib
import hmac
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MAX_BYTES = 1024 * 1024
_TOKEN = re.compile(r"[!-~]+")


class Tokens:
    """The tokens of a file. Raises ValueError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.paths = (path,)
        self._digests: list[bytes] = []
        self.reload()

    def reload(self) -> None:
        """Let in who has a token that is in the file now. Raises ValueError, and keeps the old."""
        try:
            with self.paths[0].open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        self._digests = [_digest(token) for token in parse_tokens(content)]

    def admit(self, token: str | None) -> bool:
        """Tell whether this is one of the tokens; how long that takes does not tell which."""
        given = _digest(token or "")
        return any([hmac.compare_digest(given, each) for each in self._digests])


def parse_tokens(content: bytes) -> list[str]:
    """Parse a token a line; empty lines and lines with # are skipped.

    Raises ValueError that names the line, and never what is in it.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES} bytes")
    tokens = []
    for number, line in enumerate(content.decode("latin-1").splitlines(), 1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"line {number} is no token: visible ASCII characters, no spaces")
        tokens.append(token)
    if not tokens:
        raise ValueError("has no token: write one in each line")
    return tokens


def find_token(authorization: str | None, target: str) -> str | None:
    """Return the token of a request: its Authorization header's, or else `?token=` of its target.

    FunASR's own clients cannot send a header; a query is what most of them can be given.
    """
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    try:
        found = parse_qs(urlsplit(target).query).get("token")
    except ValueError:
        return None
    return found[0].replace(" ", "+") if found else None  # no token has a space


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
