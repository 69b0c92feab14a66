"""The vectors of hotwords, kept from one utterance to the next.

A session has the same list again, and the words of the service are in the lists of all sessions.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from asr_server.models import seaco, spelling

MOST_WORDS = 16_384  # of all lists, and by themselves: 32 MiB each of a large model in float32

logger = logging.getLogger(__name__)


class HotwordCache:
    """Gives the vectors of lists, and forgets lists and words not asked for for the longest.

    Two batches may ask at a time, from threads of their own.
    """

    def __init__(self, network: seaco.SeacoParaformer, speller: spelling.Speller):
        self._network = network
        self._speller = speller
        self._lists: OrderedDict[tuple[str, ...], Tensor | None] = OrderedDict()
        self._words = 0
        self._vectors: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, words: tuple[str, ...]) -> Tensor | None:
        """Return the vectors of words and of none of them, (words + 1, size), in their order.

        Words that the model has no symbols for are left out; None when none is left.
        """
        if not words:
            return None
        with self._lock:
            return self._find(words)

    def _find(self, words: tuple[str, ...]) -> Tensor | None:
        if words not in self._lists:
            self._lists[words] = self._represent(words)
            self._words += len(words)
        self._lists.move_to_end(words)
        while self._words > MOST_WORDS and len(self._lists) > 1:
            forgotten, _ = self._lists.popitem(last=False)
            self._words -= len(forgotten)
        return self._lists[words]

    def _represent(self, words: tuple[str, ...]) -> Tensor | None:
        spelled = [found for found in map(self._speller.spell, words) if found is not None]
        if len(spelled) < len(words):
            unknown = len(words) - len(spelled)
            logger.info(
                "%d of %d hotwords have no effect: the model has no symbols for them",
                *(unknown, len(words)),
            )
        if not spelled:
            return None
        with torch.inference_mode():
            return self._stack([*spelled, seaco.NO_HOTWORD])

    def _stack(self, words: Sequence[tuple[int, ...]]) -> Tensor:
        new = [word for word in dict.fromkeys(words) if word not in self._vectors]
        if new:
            # each with memory of its own: a row would keep what all of them had
            rows = self._network.represent(new).unbind()
            self._vectors.update((word, row.clone()) for word, row in zip(new, rows, strict=True))
        for word in words:
            self._vectors.move_to_end(word)
        stacked = torch.stack([self._vectors[word] for word in words])
        while len(self._vectors) > MOST_WORDS:
            self._vectors.popitem(last=False)
        return stacked
