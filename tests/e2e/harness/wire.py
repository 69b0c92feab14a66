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
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._port = socket.socket()  # holds the port, so that nobody else has it while it is cut
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind((host, 0))
        self.url = urlunsplit(parts._replace(netloc=f"{host}:{self._port.getsockname()[1]}"))
        self.join()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        with self._lock:
            self._is_cut = True
            for each in (self._listener, *self._open):
                _hang_up(each)

    def join(self) -> None:
        """Carry connections again."""
        self._is_cut = False
        self._listener = socket.create_server(self._port.getsockname())
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connect(listener.accept()[0])

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._server)
        except OSError:
            _hang_up(near)
            return
        with self._lock:
            self._open |= {near, far}
            if self._is_cut:  # meanwhile
                _hang_up(near)
                _hang_up(far)
        for ends in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(BUFFER_BYTES):
                far.sendall(data)
        with self._lock:
            for each in (near, far):
                _hang_up(each)
                self._open.discard(each)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
