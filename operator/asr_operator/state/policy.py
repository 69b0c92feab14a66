"""What the platform team settled for all services of this operator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """Which images servers may run, and with which secrets they are pulled.

    `image_patterns` are shell patterns, in which `*` also matches `/`; `image` is always allowed.
    """

    image: str
    image_patterns: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
