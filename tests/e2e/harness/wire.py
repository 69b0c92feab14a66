"""A wire to a server that the operator uses: it can be cut and joined again."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

BUFFER_BYTES = 65536


class Wire:
    """Carries connections to the server at `url`; its own `url` is where pods reach this process.

    That holds where this runs in the network of the cluster's nodes.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 80)
        with socket.create_connection(self._server, timeout=5) as there:
            host = there.getsockname()[0]
        self._address = host, 0
        self._open: set[socket.socket] = set()
        self._listener = self._listen()
        self._address = host, self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{host}:{self._address[1]}"))

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        for each in (self._listener, *self._open):
            _hang_up(each)

    def join(self) -> None:
        """Carry connections again."""
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(self._address)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(self._server)
                self._open |= {near, far}
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(BUFFER_BYTES):
                far.sendall(data)
        for each in (near, far):
            _hang_up(each)
            self._open.discard(each)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
