"""Streaming Paraformer: recognition chunk by chunk, many utterances of any age in one pass.

A chunk is encoded with some steps before and behind it; its attention also looks back on the keys
and values of four chunks, the decoder on the encoded steps of one. What an utterance remembers is a
value of fixed bounds, and the cost of a chunk does not depend on how many came before. Rows of one
batch may differ in age and chunk size, and in being the last (`funasr/models/paraformer_streaming`
of FunASR 1.4.16, which runs one utterance at a time).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import torch
from msgspec.structs import replace
from torch import Tensor

from asr_server.models import cif, masks, overflow, paraformer, ragged, staging
from asr_server.models.errors import no_number

NAME = "the streaming recogniser"
ENCODER_LOOK_BACK = 4  # chunks
ChunkSize = tuple[int, int, int]  # steps before, of, and behind the chunk


class Memory(msgspec.Struct, frozen=True):
    """What is remembered of an utterance; never changed.

    `overlap`: the placed features that the next chunk sees first, (before + behind, width).
    `known`: keys and values, (encoder layers, positions, 2 * size). `weight` and `partial`
    (1, size): the token that has not fired yet. `encoded` (steps, size): what the decoder looks
    back on. `spoken`: the input of its filters, (decoder layers, reach, size).
    """

    steps: int
    overlap: Tensor
    known: Tensor
    weight: float
    partial: Tensor
    encoded: Tensor
    spoken: Tensor


class Chunk(msgspec.Struct, frozen=True):
    """The next chunk of an utterance: `steps` new features, fewer or none in the last."""

    memory: Memory
    size: ChunkSize
    steps: int
    last: bool

    @property
    def length(self) -> int:
        """How many steps the encoder sees."""
        return len(self.memory.overlap) + self.steps


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch after the encoder: (rows, steps, ...) each, zero in padded steps.

    `sums` are CIF's. `known` (layers, rows, past + steps, 2 * size) has keys and values.
    """

    placed: Tensor
    hidden: Tensor
    sums: Tensor
    known: Tensor


class StreamingParaformer:
    """Runs a Paraformer's network over chunks."""

    def __init__(self, network: paraformer.Paraformer):
        self.network = network

    def start(self, size: ChunkSize) -> Memory:
        """Return the memory of an utterance at its beginning."""
        encoder, decoder = self.network.encoder, self.network.decoder
        norm = encoder.after_norm.weight
        width, filters = len(norm), decoder.filters
        return Memory(
            steps=0,
            overlap=norm.new_zeros(size[0] + size[2], encoder.input_size),
            known=norm.new_zeros(len(encoder.encoders) + 1, 0, 2 * width),
            weight=0.0,
            partial=norm.new_zeros(1, width),
            encoded=norm.new_zeros(0, width),
            spoken=norm.new_zeros(len(filters), filters[0].reach, width),
        )

    def advance(
        self, chunks: Sequence[Chunk], features: Tensor
    ) -> tuple[list[Memory], list[list[int]]]:
        """Return the memory after each chunk, and the symbols that it adds.

        `features` is float32 (rows, most new steps, width). The host waits for the device twice:
        for the token counts, and for the tokens. Raises ArithmeticError when the network's output
        is not a number, as an overflow of float16 is.
        """
        encoded = self.encode(chunks, features)
        totals = encoded.sums[:, -1:].cpu()
        fired = cif.count_tokens(totals)
        counts = fired.tolist()
        if min(counts) < 0:
            raise no_number(NAME)
        embeddings = cif.integrate(encoded.hidden, encoded.sums, max(counts) + 1)
        embeddings[:, 0] += torch.cat([chunk.memory.partial for chunk in chunks])
        memories = self._remember(chunks, encoded)
        rests = (totals[:, 0] - fired).clamp_(min=0).tolist()
        partials = ragged.copy_ranges(embeddings, counts, [count + 1 for count in counts])
        memories = [
            replace(memory, weight=rest, partial=partial)
            for memory, rest, partial in zip(memories, rests, partials, strict=True)
        ]
        return self._speak(chunks, encoded, embeddings, counts, memories)

    def encode(self, chunks: Sequence[Chunk], features: Tensor) -> Encoded:
        """Run the encoder and the predictor."""
        device, encoder = features.device, self.network.encoder
        memories = [chunk.memory for chunk in chunks]
        lengths = [chunk.length for chunk in chunks]
        fresh = encoder.place(features, [memory.steps for memory in memories])
        steps = [chunk.steps for chunk in chunks]
        placed = ragged.join([memory.overlap for memory in memories], fresh, steps)
        width = placed.shape[1]
        known = ragged.stack_ends([memory.known for memory in memories], room=width)
        attended = masks.recalled_positions(
            [memory.known.shape[1] for memory in memories], lengths, width, device
        )
        real = None
        if min(lengths) < width:
            real = masks.real_positions(lengths, width, device)[..., None]
        hidden = encoder.extend(placed, known, attended, real)
        if real is not None:
            hidden = hidden * real
        return Encoded(placed, hidden, self._weigh(chunks, hidden), known)

    def decode(
        self,
        chunks: Sequence[Chunk],
        hidden: Tensor,
        embeddings: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Score the tokens of embeddings (rows, tokens, size).

        The second value, (filters, rows, reach + tokens, size), is what the filters know then.
        """
        memories = [chunk.memory for chunk in chunks]
        pasts = ragged.stack_ends([memory.encoded for memory in memories])
        attended = masks.recalled_positions(
            [len(memory.encoded) for memory in memories],
            [chunk.length for chunk in chunks],
            hidden.shape[1],
            hidden.device,
        )
        heard = torch.cat([pasts, hidden], dim=1)
        known = ragged.stack_ends([memory.spoken for memory in memories], room=embeddings.shape[1])
        scores: Tensor = self.network.decoder(embeddings, None, heard, attended, known)
        return scores, known

    def _weigh(self, chunks: Sequence[Chunk], hidden: Tensor) -> Tensor:
        """Return CIF's sums; only the last chunk counts what is behind it, and the tail."""
        device, tail = hidden.device, self.network.predictor.config.tail_threshold
        starts = [chunk.size[0] for chunk in chunks]
        stops = [chunk.length - (0 if chunk.last else chunk.size[2]) for chunk in chunks]
        counted = masks.framed_positions(starts, stops, hidden.shape[1], device)
        weights = self.network.predictor(hidden, counted)
        carried = [chunk.memory.weight for chunk in chunks]
        tails = [tail if chunk.last else 0.0 for chunk in chunks]
        edges = staging.put_list([carried, tails], device, torch.float64)
        return cif.accumulate(weights, edges[0], edges[1])

    def _remember(self, chunks: Sequence[Chunk], encoded: Encoded) -> list[Memory]:
        """Return the memories after the encoder; copies, so that no row keeps its batch alive."""
        before = encoded.known.shape[2] - encoded.placed.shape[1]
        seen = [chunk.length for chunk in chunks]
        overlaps = ragged.copy_ranges(
            encoded.placed, [chunk.length - len(chunk.memory.overlap) for chunk in chunks], seen
        )
        stops = [chunk.length - chunk.size[2] for chunk in chunks]
        kept = [
            min(chunk.memory.known.shape[1] + stop, ENCODER_LOOK_BACK * chunk.size[1])
            for chunk, stop in zip(chunks, stops, strict=True)
        ]
        known = ragged.copy_ranges(
            encoded.known,
            [before + stop - count for stop, count in zip(stops, kept, strict=True)],
            [before + stop for stop in stops],
        )
        return [
            replace(
                chunk.memory, steps=chunk.memory.steps + chunk.steps, overlap=overlap, known=own
            )
            for chunk, overlap, own in zip(chunks, overlaps, known, strict=True)
        ]

    def _speak(
        self,
        chunks: Sequence[Chunk],
        encoded: Encoded,
        embeddings: Tensor,
        counts: Sequence[int],
        memories: list[Memory],
    ) -> tuple[list[Memory], list[list[int]]]:
        """Decode the rows that fired; nothing changes for the decoder of the others."""
        ids: list[list[int]] = [[] for _ in chunks]
        rows = [row for row, count in enumerate(counts) if count]
        if not rows:
            return memories, ids
        picked = staging.put_list(rows, embeddings.device)
        hidden = encoded.hidden[picked]
        spoken_by = [chunks[row] for row in rows]
        scores, known = self.decode(spoken_by, hidden, embeddings[picked, : max(counts)])
        best = overflow.choose(scores).tolist()
        overflow.check([row[: counts[place]] for place, row in zip(rows, best, strict=True)], NAME)
        starts = [counts[row] for row in rows]
        reach = known.shape[2] - max(counts)
        spoken = ragged.copy_ranges(known, starts, [start + reach for start in starts])
        stops = [chunk.length for chunk in spoken_by]
        firsts = [max(0, chunk.length - chunk.size[1]) for chunk in spoken_by]
        heard = ragged.copy_ranges(hidden, firsts, stops)
        for place, row in enumerate(rows):
            ids[row] = best[place][: counts[row]]
            memories[row] = replace(memories[row], encoded=heard[place], spoken=spoken[place])
        return memories, ids
