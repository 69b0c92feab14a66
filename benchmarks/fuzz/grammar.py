"""What a hostile client says: messages of the protocol, broken in every way that was thought of."""

import json
import random
import struct
from typing import Any

MODES = ["offline", "online", "2pass", "office", "", "3pass", "OFFLINE", " 2pass ", "x" * 5000]
FORMATS = ["pcm", "PCM", "wav", "others", "", "mp3", "m4a", "exe", "../../etc/passwd"]
RATES = [16000, 8000, 44100, 4000, 384000, "16000", 8000.0, 0, -1, 1, 10**30, 7999.5, "nan", True]
BOOLEANS = [True, False, "true", "False", 0, 1, "maybe", 1.0]
CHUNKS = [[5, 10, 5], "5,10,5", "5-10-5", [0, 10, 5], [5, 0, 5], [1, 2], [-1, 10, 5], [60, 60, 60],
          [10**9, 1, 1], "5,10", "a,b,c", [[5], 10, 5], "5" * 3000, [0, 8, 4]]  # fmt: skip
HOTWORDS = ["", "a b", '{"a": 20}', {"a": 20}, ["a", "b"], '{"a": "x"}', "，".join("ab" * 2000), 7,
            {"a": 1e308}, {"": 1}, [["a"]], "[" * 2000, '{"a": NaN}', "\x00",
            [f"w{n}" for n in range(1000)], [f"w{n}" for n in range(1001)], "x" * 64, "x" * 65,
            {"打开": 20, "hello world": 1}]  # fmt: skip
LANGUAGES = ["auto", "zh", "EN", " yue ", "", "martian", "x" * 3000, "\x00", 7, None]
NAMES = ["a", "", "x" * 3000, 7, 1.5, True, "\u0000", "名\n字", "\u202e", '"}', None]
ODD: list[Any] = [None, True, False, 0, -1, 2**63, 10**400, 1e308, "", "x", [], {}, [[]],
       {"a": {}}, "NaN", "\x00", "\uffff", "💥" * 50, [None] * 100]  # fmt: skip
FIELDS: dict[str, list[Any]] = {
    "mode": MODES, "wav_format": FORMATS, "audio_fs": RATES, "wav_name": NAMES,
    "chunk_size": CHUNKS, "hotwords": HOTWORDS, "is_speaking": BOOLEANS, "is_finished": BOOLEANS,
    "is_end": BOOLEANS, "itn": BOOLEANS, "svs_itn": BOOLEANS, "svs_lang": LANGUAGES,
    "chunk_interval": ODD, "encoder_chunk_look_back": ODD, "unknown": ODD,
}  # fmt: skip
BROKEN = ["", "{", "}", "[]", "null", "7", '"x"', "nope", '{"mode":', '{"audio_fs": NaN}',
          '{"audio_fs": Infinity}', '{"a": 1e999}', "[" * 50_000, '{"a":' * 10_000, "\ufeff{}",
          '{"mode": "offline"}{"mode": "2pass"}', "\x00", '{"is_speaking": false,}', "{'a': 1}",
          '{"wav_name": "\\ud800"}', " " * 3000, '{"is_speaking": fals']  # fmt: skip
PCM_BYTES = [0, 1, 2, 3, 7, 960, 1919, 1920, 1921, 9600]

Message = str | bytes


class Speaker:
    """One hostile client's talk. The same seed says the same."""

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(seed)

    def talk(self) -> list[Message]:
        """Return all that the client says."""
        kinds = self._draw.choice([(6, 3, 1, 1), (2, 8, 1, 2), (1, 1, 6, 4), (4, 12, 0, 0)])
        makers = (self._say_control, self._say_audio, self._say_nonsense, self._say_end)
        count = self._draw.randint(1, 80)
        return [make() for make in self._draw.choices(makers, kinds, k=count)]

    def _say_control(self) -> str:
        names = self._draw.sample(list(FIELDS), self._draw.randint(0, 6))
        if self._draw.random() < 0.7:  # most ends are told on their own
            names = [name for name in names if name not in ("is_speaking", "is_finished")]
        return self._dump({name: self._pick(name) for name in names})

    def _say_end(self) -> str:
        fields: dict[str, Any] = {"is_speaking": False}
        if self._draw.random() < 0.4:
            fields["is_end"] = True
        if self._draw.random() < 0.2:
            fields["wav_name"] = self._pick("wav_name")
        return self._dump(fields)

    def _say_nonsense(self) -> str:
        if self._draw.random() < 0.4:
            return self._draw.choice(BROKEN)
        text = list(self._say_control())
        for _ in range(self._draw.randint(1, 4)):
            place = self._draw.randrange(len(text) + 1)
            text[place : place + self._draw.randint(0, 3)] = self._draw.choice('{}[]",:\\0aé\x00💥')
        return "".join(text)

    def _say_audio(self) -> bytes:
        kind = self._draw.random()
        if kind < 0.75:
            return self._draw.randbytes(self._draw.choice(PCM_BYTES))
        if kind < 0.9:
            return self._break(self._make_wav())
        return self._draw.choice(
            [b"ID3\x03", b"OggS", b"fLaC", b"RIFF", b"\x1aE\xdf\xa3", b"#!AMR\n"]
        )

    def _make_wav(self) -> bytes:
        draw = self._draw
        tag, bits = draw.choice(
            [(1, 16), (1, 8), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (2, 4)]
        )
        channels, rate = draw.choice([1, 2, 0, 16, 17, 65535]), draw.choice([16000, 8000, 0, 2**31])
        layout = struct.pack("<HHIIHH", tag, channels, rate, rate, 2, bits)
        size = draw.choice([0, 0xFFFFFFFF, 100, 2**31])
        data = draw.choice([draw.randbytes(200), struct.pack("<f", float("nan")) * 40])
        chunks = [b"fmt ", struct.pack("<I", 16), layout, b"data", struct.pack("<I", size), data]
        if draw.random() < 0.2:
            chunks[:0] = [b"LIST", struct.pack("<I", draw.choice([3, 2**32 - 1])), b"abc"]
        return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + b"".join(chunks)

    def _break(self, data: bytes) -> bytes:
        broken = bytearray(data)
        for _ in range(self._draw.choice([0, 0, 1, 3])):
            broken[self._draw.randrange(len(broken))] = self._draw.randrange(256)
        return bytes(broken[: self._draw.choice([len(broken), self._draw.randrange(len(broken))])])

    def _pick(self, name: str) -> Any:
        return self._draw.choice(ODD if self._draw.random() < 0.15 else FIELDS[name])

    def _dump(self, fields: dict[str, Any]) -> str:
        return json.dumps(fields, ensure_ascii=self._draw.random() < 0.5)
