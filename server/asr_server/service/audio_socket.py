"""websockets' connection, with a short way for what comes most: audio messages that are whole.

A binary message in one frame, with nothing before it, goes to its taker in the turn in which it was
read: no queue, and no task to wake. All else is the library's affair, protocol errors too; it sees
the same bytes in the same order.
Source: RFC 6455, section 5.2.
"""

from collections.abc import Callable
from types import GeneratorType
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # as the library does where its extension is not built
    from websockets.utils import apply_mask

Take = Callable[[bytes], bool]

BINARY = 0x82  # in one frame
MASKED = 0x80
TWO_BYTES = 126  # in place of a length that follows
HEAD_BYTES, LONGER_HEAD_BYTES = 6, 8  # the mask is the last four
LONGEST_BYTES = 0xFFFF
MOST_AT_ONCE = 64  # messages: then the event loop turns
BETWEEN_FRAMES = StreamReader.at_eof.__code__  # the only place where the parser asks for the end


class AudioSocket(ServerConnection):
    """A connection that offers audio messages to `take` before they come out of `recv`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.take: Take | None = None
        """Takes a message, or returns False to get it from `recv`."""
        self._is_between = False  # the library has no part of a message, nor waits one in it

    def fileno(self) -> int | None:
        """Return the descriptor of the socket, if it is open."""
        fd = self.transport.get_extra_info("socket").fileno()
        return fd if fd >= 0 else None

    def data_received(self, data: bytes) -> None:
        """Take what was read from the network."""
        taken = 0
        if self.take is not None and self._begins_message():
            taken = self._take_messages(data, self.take)
        if taken < len(data):
            self._is_between = False
            super().data_received(data[taken:])

    def _begins_message(self) -> bool:
        """Whether the next byte begins a message, and none waits in the library.

        It is so for as long as the library gets nothing to read.
        """
        protocol = self.protocol
        self._is_between = self._is_between or (
            _is_between_frames(protocol.parser)
            and protocol.current_size is None
            and not self.recv_messages.frames
        )
        return self._is_between and protocol.state is State.OPEN

    def _take_messages(self, data: bytes, take: Take) -> int:
        """Have whole audio messages taken; return how many bytes of `data` they were."""
        longest, start = min(LONGEST_BYTES, self.protocol.max_message_size or LONGEST_BYTES), 0
        for _ in range(MOST_AT_ONCE):
            if len(data) < start + LONGER_HEAD_BYTES or data[start] != BINARY:
                break
            head, length = HEAD_BYTES, data[start + 1] ^ MASKED
            if length == TWO_BYTES:
                head, length = LONGER_HEAD_BYTES, data[start + 2] << 8 | data[start + 3]
            elif length > TWO_BYTES:  # longer still, or not masked
                break
            body = start + head
            end = body + length
            if length > longest or end > len(data):
                break
            if not take(apply_mask(data[body:end], data[body - 4 : body])):
                break
            start = end
        return start


def _is_between_frames(parser: object) -> bool:
    """Whether the library's parser waits for a frame; an empty buffer may also follow a head."""
    waiting = None
    while isinstance(parser, GeneratorType):
        waiting, parser = parser.gi_code, parser.gi_yieldfrom
    return waiting is BETWEEN_FRAMES
