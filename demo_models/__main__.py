"""Make the demo models: `python -m demo_models [STAGE ...]`, all stages by default.

    data        speak the training and the test set (espeak-ng must be installed)
    asr         train Paraformer
    asr_online  train ParaformerStreaming
    vad         train FSMN-VAD
    punc        train CT-Transformer
    evaluate    run the four folders on the test set, in FunASR and in the server's modules
    install     copy them into the server's package, with a manifest

The recognisers start from the weights in the package, to which new symbols are added. With
--from-scratch Paraformer starts from random weights, and ParaformerStreaming from Paraformer.
A stage that was stopped goes on where it was, and one that is done is not done again. After data,
the four trainings can run side by side (from scratch, asr_online comes after asr).
"""

import argparse
import json
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from demo_models import (
    dataset,
    evaluation,
    jobs,
    manifest,
    networks,
    synthesis,
    train_asr,
    train_punc,
    train_vad,
)
from demo_models.optimisation import Plan, Schedule

PACKAGE = Path(__file__).parents[1] / "server" / "asr_server" / "models" / "demo"
WORK = Path("build") / "demo-models"
UTTERANCES, TEST_UTTERANCES = 8000, 400
DATA_SEED, TEST_SEED = 1, 2
SCHEDULES = {
    "asr": Schedule(7500, 1e-3, warm_up=100),
    "asr_online": Schedule(3500, 1e-3, warm_up=100),
    "vad": Schedule(1500, 2e-3, warm_up=50, seed=2),
    "punc": Schedule(1600, 1e-3, seed=3),
}
SCHEDULES_FROM_SCRATCH = {
    "asr": Schedule(9000, 2e-3),
    "asr_online": Schedule(3000, 1e-3),
}


class Making:
    """The models on their way, in a folder that keeps what is finished."""

    def __init__(self, work: Path, *, from_scratch: bool) -> None:
        self._work = work
        self._from_scratch = from_scratch
        self._runs, self._models, self._facts = work / "runs", work / "models", work / "facts"
        self.stages: dict[str, Callable[[], dict[str, object]]] = {
            "data": self._speak,
            "asr": self._train_asr,
            "asr_online": self._train_asr_online,
            "vad": lambda: train_vad.train_vad(self._training_set(), self._plan("vad")),
            "punc": lambda: train_punc.train_punc(self._plan("punc")),
            "evaluate": lambda: evaluation.evaluate(self._test_set(), self._models),
            "install": self._install,
        }

    def run(self, stage: str) -> None:
        """Do a stage, unless what it found out is there already."""
        path = self._facts / f"{stage}.json"
        if path.exists():
            print(f"{stage}: done before; remove {path} to do it again")
            return
        found = self.stages[stage]()
        self._facts.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"{stage}: {json.dumps(found, ensure_ascii=False)}")

    def _speak(self) -> dict[str, object]:
        wanted = jobs.draw_jobs(TEST_UTTERANCES, TEST_SEED, held_out=True)
        tested_s = synthesis.make_dataset(self._work / "test", wanted, 0)
        wanted = jobs.draw_jobs(UTTERANCES, DATA_SEED, held_out=False)
        trained_s = synthesis.make_dataset(self._work / "train", wanted, synthesis.COPIES)
        return {
            "seeds": {"train": DATA_SEED, "test": TEST_SEED},
            "utterances": UTTERANCES,
            "copies": synthesis.COPIES,
            "audio_s": round(trained_s),
            "test_utterances": TEST_UTTERANCES,
            "test_audio_s": round(tested_s),
        }

    def _install(self) -> dict[str, object]:
        read = {stage: self._read(stage) for stage in self.stages if stage != "install"}
        facts = {
            "data": read.pop("data"),
            "figures": read.pop("evaluate"),
            "models": read,
        }
        manifest.install(self._models, PACKAGE, facts)
        return {"installed": sorted(read)}

    def _read(self, stage: str) -> object:
        path = self._facts / f"{stage}.json"
        if not path.exists():
            raise SystemExit(f"stage {stage} is not done; run it first")
        return json.loads(path.read_text(encoding="utf-8"))

    def _train_asr(self) -> dict[str, object]:
        start = None if self._from_scratch else networks.read_start(PACKAGE / "asr")
        return train_asr.train_asr(self._training_set(), self._plan("asr"), start)

    def _train_asr_online(self) -> dict[str, object]:
        place = self._models / "asr" if self._from_scratch else PACKAGE / "asr_online"
        plan, start = self._plan("asr_online"), networks.read_start(place)
        return train_asr.train_asr_online(self._training_set(), plan, start)

    def _plan(self, name: str) -> Plan:
        schedules = SCHEDULES | (SCHEDULES_FROM_SCRATCH if self._from_scratch else {})
        return Plan(schedules[name], self._runs / f"{name}.pt", self._models / name)

    def _training_set(self) -> dataset.Dataset:
        return dataset.Dataset(self._work / "train")

    def _test_set(self) -> dataset.Dataset:
        return dataset.Dataset(self._work / "test")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m demo_models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=WORK, help="where to keep what is made")
    parser.add_argument("--from-scratch", action="store_true", help="start from random weights")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="all by default, in order")
    given = parser.parse_args()
    making = Making(given.work, from_scratch=given.from_scratch)
    unknown = set(given.stages) - making.stages.keys()
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    if shutil.which("espeak-ng") is None:
        parser.error("espeak-ng is not installed; on Debian: apt-get install espeak-ng")
    warnings.simplefilter("ignore")  # of FunASR and what it imports
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    torch.set_num_threads(1)
    for stage in given.stages or making.stages:
        making.run(stage)


if __name__ == "__main__":
    main()
