"""The Secrets of the servers, certificate and tokens, as files that the servers watch.

The kubelet mounts them and keeps them fresh, so the operator needs no right to read them. Only the
keys that are used are mounted. None is optional: a pod waits for what is missing, while the servers
that run keep what they have.
"""

from pathlib import PurePosixPath

from asr_operator.api.spec import Exposure
from asr_operator.state.plan import Manifest

TLS_VOLUME = "tls"
TLS_DIR = PurePosixPath("/etc/asr-server/tls")
# What the type kubernetes.io/tls requires.
CERTIFICATE_KEY, PRIVATE_KEY_KEY = "tls.crt", "tls.key"

AUTH_VOLUME = "auth"
AUTH_DIR = PurePosixPath("/etc/asr-server/auth")
TOKENS_FILE = "tokens"


def build_volumes(exposure: Exposure) -> list[Manifest]:
    """Return the volumes of the Secrets that a service has."""
    volumes = []
    if exposure.tls_secret is not None:
        keys = {key: key for key in (CERTIFICATE_KEY, PRIVATE_KEY_KEY)}
        volumes.append(_build_volume(TLS_VOLUME, exposure.tls_secret, keys))
    if exposure.tokens is not None:
        keys = {exposure.tokens.key: TOKENS_FILE}
        volumes.append(_build_volume(AUTH_VOLUME, exposure.tokens.secret_name, keys))
    return volumes


def build_mounts(exposure: Exposure) -> list[Manifest]:
    """Return where they are mounted: as whole folders, because single files would never change."""
    folders = {TLS_VOLUME: TLS_DIR, AUTH_VOLUME: AUTH_DIR}
    return [
        {"name": volume["name"], "mountPath": str(folders[volume["name"]]), "readOnly": True}
        for volume in build_volumes(exposure)
    ]


def build_arguments(exposure: Exposure) -> list[str]:
    """Return the flags by which the server finds them."""
    tls = [f"--cert={TLS_DIR / CERTIFICATE_KEY}", f"--key={TLS_DIR / PRIVATE_KEY_KEY}"]
    auth = [f"--auth-tokens={AUTH_DIR / TOKENS_FILE}"]
    return [*(tls if exposure.tls_secret else ()), *(auth if exposure.tokens else ())]


def _build_volume(name: str, secret: str, keys: dict[str, str]) -> Manifest:
    items = [{"key": key, "path": path} for key, path in keys.items()]
    return {"name": name, "secret": {"secretName": secret, "items": items}}
