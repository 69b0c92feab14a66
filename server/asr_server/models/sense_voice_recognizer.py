"""Recognition of a batch of utterances with SenseVoice-Small: audio in, words out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_server.models import frontend, overflow, recognizer, sense_voice, sentence_pieces, tokens
from asr_server.models.errors import no_number
from asr_server.models.folders import ModelFolder
from asr_server.speech.hints import NO_HINTS, Hints
from asr_server.speech.sounds import Sound
from asr_server.speech.words import NO_WORDS, Words

_BLANK = 0


class SenseVoiceRecognizer:
    """Recognises utterances, all in one forward pass; it also punctuates them."""

    PUNCTUATES = True
    takes_hotwords = False

    def __init__(
        self,
        front: frontend.Frontend,
        network: sense_voice.SenseVoice,
        pieces: sentence_pieces.SentencePieces,
    ):
        self.front = front
        self.network = network
        self.pieces = pieces

    def recognize(
        self, audio: Sequence[frontend.Audio | Sound], hints: Sequence[Hints] | None = None
    ) -> list[Words]:
        """Return what is said in each mono 16 kHz int16 utterance, with hints each, without times.

        Utterances under 25 ms, and those in which nothing is said, have no words. The host waits
        for the device once per batch. Raises ArithmeticError when the network's output is not a
        number, as an overflow of float16 is.
        """
        with torch.inference_mode():
            waveforms = self.front.load(audio)
            if max(waveforms.frames, default=0) == 0:
                return [NO_WORDS for _ in audio]
            lengths = [self.front.count_steps(frames) for frames in waveforms.frames]
            wanted = hints or [NO_HINTS] * len(audio)
            hidden = self.network.encode(self.front.features(waveforms), lengths, wanted)
            scores, symbols = self.network.spell(hidden)
            best = symbols.where(scores.isfinite(), overflow.NO_SYMBOL).cpu().numpy()
        return [
            self._words(row[: sense_voice.QUERIES + length]) if length else NO_WORDS
            for row, length in zip(best, lengths, strict=True)
        ]

    def probe(self, audio: Sequence[frontend.Audio | Sound]) -> tuple[Tensor, ...]:
        """Return the encoded audio and the best scores, for warming up."""
        with torch.inference_mode():
            waveforms = self.front.load(audio)
            lengths = [self.front.count_steps(frames) for frames in waveforms.frames]
            features = self.front.features(waveforms)
            hidden = self.network.encode(features, lengths, [NO_HINTS] * len(audio))
            return hidden, self.network.spell(hidden)[0]

    def _words(self, symbols: NDArray[np.int64]) -> Words:
        """Collapse what CTC repeats, leave out blanks, and split the text."""
        if symbols.min() == overflow.NO_SYMBOL:
            raise no_number(recognizer.NAME)
        changed = symbols[np.diff(symbols, prepend=overflow.NO_SYMBOL) != 0]
        return Words(tokens.split(self.pieces.write(changed[changed != _BLANK])))


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> SenseVoiceRecognizer:
    """Load a SenseVoice-Small model folder; ModelError says what does not fit."""
    config = folder.read_config(sense_voice.SenseVoiceConfig)
    pieces = sentence_pieces.load(folder)
    with torch.device("meta"):
        network = sense_voice.SenseVoice(config, len(pieces))
    folder.load_weights(network, device, dtype)
    front = frontend.open_frontend(folder.file("am.mvn"), config.frontend_conf, device)
    return SenseVoiceRecognizer(front, network, pieces)
