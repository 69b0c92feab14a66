"""PCM that both processes see: a sparse memory file, written by the front, read by the engine.

The front creates it, hands its file descriptor down, and alone decides what lies where. Offsets and
lengths are in samples (mono int16). Nothing here knows of messages.
"""

import mmap
import os
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asr_server.link import free_list

SAMPLE_BYTES = 2
PAGE_SAMPLES = mmap.PAGESIZE // SAMPLE_BYTES
PIECE_PAGES = 4
PIECE_SAMPLES = PIECE_PAGES * PAGE_SAMPLES  # half a second
MOST_SPARE = 256  # pieces: four megabytes


class Arena:
    """The front's side: room for utterances is taken, filled and given back.

    Extents are whole pages, so that a released one goes back to the system at once and the file
    occupies no more memory than the audio that is waiting. Some pieces stay with their memory for
    the next ones of that size, which all live audio comes in: new memory costs twice what filling
    it does, and giving it back as much again.
    """

    def __init__(self, fd: int, samples: int) -> None:
        self.fd = fd
        self.samples = samples
        self._map = mmap.mmap(fd, samples * SAMPLE_BYTES)
        self._all = np.frombuffer(self._map, np.int16)
        self._pages = free_list.FreeList(samples // PAGE_SAMPLES)
        self._spare: dict[int, None] = {}  # the pages where pieces begin that nobody has

    @classmethod
    def create(cls, samples: int) -> Self:
        """Create an arena of at least `samples`; memory is taken only as audio is written."""
        samples = _whole_pages(samples) * PAGE_SAMPLES
        fd = os.memfd_create("asr-audio", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, samples * SAMPLE_BYTES)
            return cls(fd, samples)
        except BaseException:
            os.close(fd)
            raise

    @property
    def free_samples(self) -> int:
        """The samples that can still be allocated, in however many pieces."""
        return self._pages.free * PAGE_SAMPLES + len(self._spare) * PIECE_SAMPLES

    def allocate(self, samples: int) -> int | None:
        """Return the offset of room for `samples`, or None when no stretch is that long."""
        pages = _whole_pages(samples)
        if pages == PIECE_PAGES and self._spare:
            return self._spare.popitem()[0] * PAGE_SAMPLES
        page = self._pages.take(pages)
        if page is None and self._spare:
            self._give_spare_back()
            page = self._pages.take(pages)
        return None if page is None else page * PAGE_SAMPLES

    def write(self, offset: int, audio: NDArray[np.int16]) -> None:
        """Copy int16 samples to `offset`, which `allocate` returned for at least that many."""
        self._all[offset : offset + len(audio)] = audio

    def release(self, offset: int) -> None:
        """Give back the room at `offset`. KeyError if it is not allocated."""
        self.release_some(offset, self.samples)

    def release_some(self, offset: int, samples: int) -> bool:
        """Give back the last `samples` of the room at `offset`; return whether none of it is left.

        Memory takes a millisecond for each megabyte. KeyError if the room is not allocated.
        """
        page, rest = divmod(offset, PAGE_SAMPLES)
        if rest or page in self._spare:
            raise KeyError(offset)
        most = _whole_pages(samples)
        is_piece = self._pages.length(page) == PIECE_PAGES
        if is_piece and most >= PIECE_PAGES and len(self._spare) < MOST_SPARE:
            self._spare[page] = None
            return True
        return self._free(page, most)

    def _free(self, page: int, most: int) -> bool:
        first, pages = self._pages.shrink(page, most)
        self._map.madvise(mmap.MADV_REMOVE, first * mmap.PAGESIZE, pages * mmap.PAGESIZE)
        return first == page

    def _give_spare_back(self) -> None:
        while self._spare:
            self._free(self._spare.popitem()[0], PIECE_PAGES)

    def close(self) -> None:
        """Unmap and close the file; the engine's mapping of it stays valid."""
        del self._all  # a mapping that is in use cannot be closed
        self._map.close()
        os.close(self.fd)


def attach(fd: int, samples: int) -> NDArray[np.int16]:
    """Map the arena behind an inherited descriptor: a read-only view of all its samples."""
    mapped = mmap.mmap(fd, samples * SAMPLE_BYTES, prot=mmap.PROT_READ)
    return np.frombuffer(mapped, dtype=np.int16)


def room_for(samples: int) -> int:
    """Return how many samples the room has that is allocated for `samples`."""
    return _whole_pages(samples) * PAGE_SAMPLES


def _whole_pages(samples: int) -> int:
    return max(1, -(-samples // PAGE_SAMPLES))
