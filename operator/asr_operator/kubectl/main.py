"""The command line of `kubectl asr`. Exit status: 0, 1 when nothing could be read, 2 for misuse."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from asr_operator.kubectl import explanation, overview, query

EXIT_FAILED = 1
WIDEST = 110

DESCRIPTION = "Say in sentences how AsrServices are, and why they have the size they have."
PASSED_ON = ("namespace", "context", "kubeconfig", "as")


def main() -> None:
    """Run the plugin."""
    try:
        sys.stdout.write(f"{run(sys.argv[1:], datetime.now(UTC), choose_width())}\n")
    except query.QueryError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_FAILED)


def run(arguments: Sequence[str], now: datetime, width: int) -> str:
    """Return what there is to say; raise `query.QueryError`, or end the process for misuse."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    if given.all_namespaces and given.name:
        parser.error("a NAME is looked for in one namespace: leave out either it or -A")
    flags = [f"--{flag}={getattr(given, flag)}" for flag in PASSED_ON if getattr(given, flag)]
    flags += ["--all-namespaces"] if given.all_namespaces else []
    found = query.read_services([*([given.name] if given.name else []), *flags])
    render = explanation.render_explanation if given.verb == "why" else overview.render_overview
    pages = [render(seen, now, width) for seen in found]
    return (
        "\n\n".join(pages)
        or "There are no AsrServices here. kubectl asr status -A looks everywhere."
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="kubectl asr", description=DESCRIPTION)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("-n", "--namespace", help="where to look; the context's when left out")
    which.add_argument("--context", help="which context of the kubeconfig to use")
    which.add_argument("--kubeconfig", metavar="FILE", help="which kubeconfig to use")
    which.add_argument("--as", metavar="USER", help="whom to act as")
    status = verbs.add_parser(
        "status",
        parents=[which],
        help="state, load, replicas and batch size, and what needs attention",
        description="Say how services are: state, load, knobs, and what to do where it is needed.",
    )
    status.add_argument("name", nargs="?", metavar="NAME", help="one service; all when left out")
    status.add_argument("-A", "--all-namespaces", action="store_true", help="look everywhere")
    why = verbs.add_parser(
        "why",
        parents=[which],
        help="the last decisions on replicas and batch size, with what they rest on",
        description="Say why a service has the replicas and the batch size that it has.",
    )
    why.add_argument("name", metavar="NAME", help="the service")
    why.set_defaults(all_namespaces=False)
    return parser


def choose_width() -> int:
    """Return how long lines may be: as the terminal is, within reason."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
