"""The certificate of the WebSocket port: read from two files, and read again when they change."""

import ssl
from pathlib import Path


class Certificate:
    """A certificate and its key, in PEM. Raises ValueError when they cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.paths = certificate, key
        self.context = _new_context()
        self.reload()

    def reload(self) -> None:
        """Use what the files have now, for handshakes from now on.

        Raises ValueError, and keeps what was there: the files are tried on another context first.
        """
        for context in (_new_context(), self.context):
            try:
                context.load_cert_chain(*self.paths, password=lambda: "")  # never ask a terminal
            except ssl.SSLError as error:
                reason = (error.reason or "no PEM, or a key with a password").replace("_", " ")
                raise ValueError(f"no certificate with its key: {reason.lower()}") from None
            except OSError as error:
                raise ValueError(f"cannot be read: {error.strerror}") from None


def _new_context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
