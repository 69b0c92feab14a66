"""The certificate of the WebSocket port: read from two files, and read again when they change."""

import ssl
from pathlib import Path


class Certificate:
    """A certificate and its key, in PEM. Raises ValueError when they cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.paths = certificate, key
        self.context = self._presented = self._load()
        self.context.sni_callback = self._present

    def reload(self) -> None:
        """Use what the files have now, for handshakes from now on.

        Raises ValueError, and keeps what was there.
        """
        self._presented = self._load()

    def _load(self) -> ssl.SSLContext:
        """Return a context of its own: one can hold a certificate of each kind of key at a time."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(*self.paths, password=lambda: "")  # never ask a terminal
        except ssl.SSLError as error:
            reason = (error.reason or "no PEM, or a key with a password").replace("_", " ")
            raise ValueError(f"no certificate with its key: {reason.lower()}") from None
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        return context

    def _present(self, handshake: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        handshake.context = self._presented  # called for those who send no name, too
