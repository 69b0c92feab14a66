"""The vectors of hotwords, kept from one utterance to the next: a session has the same list."""

import logging
import threading
from collections import OrderedDict

import torch
from torch import Tensor

from asr_server.models import seaco, spelling

MOST_WORDS = 16_384  # of all lists: 32 MiB of a large model in float32

logger = logging.getLogger(__name__)


class HotwordCache:
    """Gives the vectors of lists, and forgets those that were not asked for the longest.

    Two batches may ask at a time, from threads of their own.
    """

    def __init__(self, network: seaco.SeacoParaformer, speller: spelling.Speller):
        self._network = network
        self._speller = speller
        self._lists: OrderedDict[tuple[str, ...], Tensor | None] = OrderedDict()
        self._words = 0
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
            return self._network.represent([*spelled, seaco.NO_HOTWORD])
