"""Reads AsrServices by asking kubectl, so that every way to sign in works. Writes nothing."""

import json
import re
import subprocess
from collections.abc import Sequence

from asr_operator.api import names
from asr_operator.kubectl import subject
from asr_operator.kubectl.failure import PluginError
from asr_operator.kubectl.subject import Subject

RESOURCE = f"{names.PLURAL}.{names.GROUP}"

NO_KUBECTL = "There is no kubectl on the PATH."
NO_DEFINITION = (
    "This cluster does not know AsrServices. Install the operator's chart, or apply"
    " crds/asrservices.yaml."
)
NO_SERVICE = (
    "There is no AsrService with this name in this namespace. kubectl get asr -A lists all."
)
NO_PERMISSION = f"You may not read AsrServices: ask for the verbs get and list on {RESOURCE}."

NO_SERVER = (
    "The API server does not answer. See which one is asked (kubectl config current-context), or"
    " name another with --context or --kubeconfig."
)
NOT_SIGNED_IN = "The API server does not know you: sign in again as your cluster asks for."
NO_ANSWER = (
    "What kubectl wrote is no AsrService. See what this gives: kubectl get asr --output=json"
)

# Lines that kubectl logs for its own developers.
LOG_LINE = re.compile(r"[EWI]\d{4} ")

# What kubectl says of a refusal, and what there is to do.
ADVICE = (
    ("the server doesn't have a resource type", NO_DEFINITION),
    ("(NotFound)", NO_SERVICE),
    ("(Forbidden)", NO_PERMISSION),
    ("(Unauthorized)", NOT_SIGNED_IN),
    ("You must be logged in to the server", NOT_SIGNED_IN),
    ("Unable to connect to the server", NO_SERVER),
    ("did you specify the right host or port", NO_SERVER),
)


class QueryError(PluginError):
    """The services could not be read; the message says what to do."""


def read_services(arguments: Sequence[str]) -> tuple[Subject, ...]:
    """Return the services that `kubectl get` finds with these arguments, by namespace and name.

    Raises `QueryError`.
    """
    command = ["kubectl", "get", RESOURCE, "--output=json", "--request-timeout=20s", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise QueryError(NO_KUBECTL) from error
    if done.returncode != 0:
        raise QueryError(explain_refusal(done.stderr.strip()))
    try:
        answer = json.loads(done.stdout)
        found = [subject.parse_subject(body) for body in answer.get("items", [answer])]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise QueryError(NO_ANSWER) from None
    return tuple(sorted(found, key=lambda seen: seen.name))


def explain_refusal(said: str) -> str:
    """Return what kubectl said, and what to do about it where that is known."""
    lines = [line for line in said.splitlines() if not LOG_LINE.match(line)]
    said = "\n".join(lines) or said or "kubectl failed, and did not say why."
    advice = next((advice for words, advice in ADVICE if words in said), None)
    return f"{advice}\n{said}" if advice else said
