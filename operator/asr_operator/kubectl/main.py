"""The command line of `kubectl asr`. Exit status: 0, 1 for what cannot be done, 2 for misuse."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from asr_operator.kubectl import explanation, overview, query, service_times
from asr_operator.kubectl.failure import PluginError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
WIDEST = 110

DESCRIPTION = (
    "Say in sentences how AsrServices are, why they have the size they have, and what size a load"
    " would bring them to."
)
MOST_AMOUNT = 1e6
PASSED_ON = ("namespace", "context", "kubeconfig", "as")


def main() -> None:
    """Run the plugin."""
    try:
        sys.stdout.write(f"{run(sys.argv[1:], datetime.now(UTC), choose_width())}\n")
    except PluginError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def run(arguments: Sequence[str], now: datetime, width: int) -> str:
    """Return what there is to say; raise `PluginError`, or end the process for misuse."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    if given.all_namespaces and given.name:
        parser.error("a NAME is looked for in one namespace: leave out either it or -A")
    flags = [f"--{flag}={getattr(given, flag)}" for flag in PASSED_ON if getattr(given, flag)]
    if given.verb == "simulate":
        if bool(given.name) == bool(given.file):
            parser.error("give either the NAME of a service or its manifest, -f FILE")
        if (given.batch_start_ms is None) != (given.batch_audio_ms is None):
            parser.error("give both or none of --batch-start-ms and --batch-audio-ms")
        if given.prometheus and given.begin:
            parser.error("--begin is for a trace: --prometheus says itself when its range begins")
        from asr_operator.kubectl import simulate  # takes as long to load as all else

        return simulate.simulate(given, flags, now, width)
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
    simulate_verb = verbs.add_parser(
        "simulate",
        parents=[which],
        help="what the autoscaler would have done with a load, as a table and a picture",
        description="Simulate a service under a load, with the code that decides in the operator."
        " The load is a trace, or what Prometheus recorded of the service.",
    )
    _add_simulate(simulate_verb)
    return parser


def _add_simulate(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(all_namespaces=False)
    verb.add_argument("name", nargs="?", metavar="NAME", help="a service of the cluster")
    verb.add_argument("-f", "--file", help="the manifest of a service instead; - for stdin")
    load = verb.add_mutually_exclusive_group(required=True)
    load.add_argument(
        "--trace", metavar="FILE", help="a CSV file of sessions: start_s,audio_s in the first line"
    )
    load.add_argument(
        "--prometheus", metavar="RANGE", help="what was recorded: 6h up to now, or BEGIN/END"
    )
    verb.add_argument(
        "--prometheus-url",
        metavar="URL",
        default="http://localhost:9090",
        help="where Prometheus answers (%(default)s)",
    )
    verb.add_argument("--prometheus-token-file", metavar="FILE", help="a bearer token for it")
    verb.add_argument(
        "--begin", metavar="TIME", help="when the trace begins, for schedules; now when left out"
    )
    times = verb.add_argument_group("how long batches take, learned when left out")
    times.add_argument("--profile", choices=service_times.PROFILES, help="a kind of server pod")
    times.add_argument("--batch-start-ms", type=_read_amount, metavar="MS", help="each batch")
    times.add_argument(
        "--batch-audio-ms", type=_read_amount, metavar="MS", help="each padded second of audio"
    )
    times.add_argument(
        "--cold-start", type=_read_amount, metavar="S", help="until a new pod is ready"
    )
    verb.add_argument("--picture", metavar="FILE", help="draw load, replicas and batches as SVG")
    verb.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")


def _read_amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < MOST_AMOUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return amount


def choose_width() -> int:
    """Return how long lines may be: as the terminal is, within reason."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
