"""When a connection is closed by the server, and how much audio it may bring. Pure.

While serving: a client that does not read its replies, that says nothing at first, or that says
nothing for long while nothing is owed to it. While draining: every session as soon as nothing is
owed to it and no audio of an open input has come, or nobody has spoken for a while in a live one.
"""

from dataclasses import dataclass

from websockets.frames import CloseCode

SILENCE_S = 10.0  # after so long a pause, a live input may end where nobody speaks
QUIET_S = 2.0  # draining: for so long, an input that was announced may still begin


@dataclass(frozen=True, slots=True)
class Bounds:
    """The times of one connection, in seconds."""

    idle_s: float
    first_message_s: float = 30.0
    unread_s: float = 60.0
    """How long a reply may wait for a client that does not read."""


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """What is to be known of a connection; times are monotonic seconds."""

    opened_at: float
    heard_at: float | None
    """When the last message came."""
    blocked_since: float | None
    """Since when a reply waits for the client to read."""
    in_input: bool
    has_audio: bool
    owed: bool
    """Whether utterances are to be answered or replies to be sent."""
    silence_s: float = 0.0
    """For how long nobody has spoken in an open live input, as far as that is known."""

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks in an open input, or sends a file."""
        return self.has_audio and self.silence_s < SILENCE_S


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code and reason."""

    code: CloseCode
    reason: str


RESTART = Close(CloseCode.SERVICE_RESTART, "this server is shutting down: connect again")
TIME_IS_UP = Close(CloseCode.GOING_AWAY, "this server is shutting down: the time to finish is up")


def decide_close(
    view: ConnectionView, bounds: Bounds, now: float, *, draining: bool
) -> Close | None:
    """Return how to close the connection now, or None to keep it."""
    if view.blocked_since is not None and now - view.blocked_since > bounds.unread_s:
        return Close(CloseCode.TRY_AGAIN_LATER, "replies are not read")
    if view.owed:
        return None
    quiet_s = now - (view.opened_at if view.heard_at is None else view.heard_at)
    if draining:
        waits = view.speaking or (not view.has_audio and view.in_input and quiet_s < QUIET_S)
        return None if waits else RESTART
    if view.heard_at is None and quiet_s > bounds.first_message_s:
        return Close(CloseCode.POLICY_VIOLATION, f"no message within {bounds.first_message_s:g} s")
    if quiet_s > bounds.idle_s:
        return Close(CloseCode.POLICY_VIOLATION, f"no message for {bounds.idle_s:g} s")
    return None


class AudioBudget:
    """What all sessions together may hold of audio, so that no crowd of them takes all memory.

    The last sixteenth is for those who hold less than a sixteenth: a few long recordings do not
    keep everybody else from speaking.
    """

    def __init__(self, limit_samples: int) -> None:
        self.limit_samples = limit_samples
        self.held_samples = 0

    def refuses(self, own_samples: int) -> bool:
        """Whether a session that holds so much, counted already, holds too much."""
        reserve_samples = self.limit_samples // 16
        room_samples = self.limit_samples - self.held_samples
        return room_samples < (reserve_samples if own_samples > reserve_samples else 0)

    def used_ratio(self) -> float:
        """Return the share of the budget that is held."""
        return self.held_samples / self.limit_samples
