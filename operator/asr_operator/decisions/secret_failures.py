"""What is wrong with the Secrets of a service, by what the kubelet and the server say of them."""

import re

from asr_operator.api.names import Reason
from asr_operator.children import secret_volumes
from asr_operator.state.plan import Problem

_MOUNT = re.compile(r'^MountVolume\.\w+ failed for volume "(?P<volume>[^"]+)" : (?P<cause>.*)$')
_MISSING = re.compile(r'^secret ".+" not found$|^references non-existent secret key: ')
_CREATE = {
    secret_volumes.TLS_VOLUME: (
        "Create it with the keys tls.crt and tls.key, or correct spec.service.tls.secretName."
    ),
    secret_volumes.AUTH_VOLUME: (
        "Create it with the key that spec.service.auth.key names, or correct spec.service.auth."
    ),
}
_CORRECT = {
    "--cert ": "Correct the Secret that spec.service.tls.secretName names: tls.crt must be a"
    " certificate chain and tls.key its private key, in PEM and without a password.",
    "--auth-tokens ": "Correct the Secret that spec.service.auth names: its key must hold a token"
    " in each line.",
}


def explain_mount_failure(told: str) -> Problem:
    """Return why volumes of a server pod are not mounted; `told` is the kubelet's, "; " between."""
    found = [match for each in told.split("; ") if (match := _MOUNT.match(each))]
    missing = {
        match["volume"]: match["cause"] for match in found if _MISSING.search(match["cause"])
    }
    if missing and missing.keys() <= _CREATE.keys():
        causes = "; ".join(missing.values())
        advice = " ".join(_CREATE[volume] for volume in missing)
        return Problem(
            Reason.SECRET_MISSING, f"A server pod waits for a Secret: {causes}. {advice}"
        )
    return Problem(
        Reason.VOLUME_NOT_MOUNTED,
        f"A volume of a server pod cannot be mounted: {told}. The kubelet tries again by itself;"
        " correct spec.model.pvc or its storage if that does not help.",
    )


def advise(refused: str) -> str | None:
    """Return what to do when a server refuses its settings because of a Secret, else None."""
    return next((advice for flag, advice in _CORRECT.items() if flag in refused), None)
