"""The figures of the finished folders, on what training never had: voices, speeds, pitches, texts.

Each comes from the server's own modules and from FunASR's `AutoModel`, which should agree.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from demo_models import conditions, dataset, manifest, punctuated, runners, scoring

_TEXTS = 200
RUNNERS: dict[str, Callable[[Path], runners.Runner]] = {
    "ours": runners.Ours,
    "automodel": runners.Stock,
}
Recognise = Callable[[Sequence[conditions.Audio]], list[str]]


def evaluate(data: dataset.Dataset, models: Path) -> dict[str, object]:
    """Return what is known about the four folders of a directory, in sentences."""
    return {name: _evaluate(run(models), data) for name, run in RUNNERS.items()}


def evaluate_part(runner: runners.Runner, data: dataset.Dataset, part: str) -> object:
    """Return what is known about one folder."""
    if part == "punc":
        return describe_marks(runner)
    if part == "vad":
        joined = conditions.join_utterances(data)
        found = {name: describe_spans(runner, some) for name, some in joined}
        return {"utterances": found, "taken for speech": describe_quiet(runner)}
    recognise = {"asr": runner.recognise, "asr_online": runner.recognise_online}[part]
    spoken = conditions.disturb_utterances(data)
    return {name: describe_text(recognise, some) for name, some in spoken}


def _evaluate(runner: runners.Runner, data: dataset.Dataset) -> dict[str, object]:
    return {part: evaluate_part(runner, data, part) for part in manifest.FOLDERS}


def describe_text(recognise: Recognise, spoken: conditions.Spoken) -> str:
    """Return the character error rate, and that of each language."""
    pairs = list(zip(spoken.texts, recognise(spoken.audio), strict=True))
    groups: dict[str, list[tuple[str, str]]] = {}
    for kind, pair in zip(spoken.kinds, pairs, strict=True):
        group = {"en": "English", "mixed": "mixed"}.get(kind.split("-")[0], "Mandarin")
        groups.setdefault(group, []).append(pair)
    exact = sum(scoring.bare(wanted) == scoring.bare(found) for wanted, found in pairs)
    told = f"CER {scoring.character_error_rate(pairs):.2%}, {exact} of {len(pairs)} exact"
    rates = [f"{name} {scoring.character_error_rate(groups[name]):.2%}" for name in sorted(groups)]
    return f"{told}; {', '.join(rates)}"


def describe_spans(runner: runners.Runner, recordings: Sequence[conditions.Joined]) -> str:
    """Return how many utterances are found, and how many spans are false or merged."""
    told = scoring.SpeechFound()
    for joined in recordings:
        told.add(joined.spans, runner.detect(joined.audio))
    return str(told)


def describe_quiet(runner: runners.Runner) -> dict[str, str]:
    """Return how many recordings without speech are taken for speech."""
    return {
        name: f"{sum(bool(runner.detect(audio)) for audio in recordings)} of {len(recordings)}"
        for name, recordings in conditions.leave_quiet()
    }


def describe_marks(runner: runners.Runner) -> str:
    """Return how many held-out texts get exactly their marks."""
    draw = random.Random("marks")
    marked = [punctuated.draw_marked(draw, held_out=True) for _ in range(_TEXTS)]
    exact = sum(
        runner.punctuate(one.tokens).replace(" ", "") == one.render().replace(" ", "")
        for one in marked
    )
    return f"{exact} of {len(marked)} texts exact"
