"""Hotwords in the symbols of a model, with and without its seg_dict."""

import pytest

from asr_server.models import spelling
from asr_server.models.folders import ModelFolder

SYMBOLS = ["<blank>", "<s>", "</s>", "打", "开", "hel@@", "lo", "五", "tv", "7", "<unk>"]
SPELLINGS = {"hello": "hel@@ lo", "5": "五", "打": "打", "odd": "missing"}


@pytest.mark.parametrize(
    ("hotword", "spelled"),
    [
        ("打开", "打 开"),
        ("hello", "hel@@ lo"),
        ("HELLO", "hel@@ lo"),
        (" hello  打开 ", "hel@@ lo 打 开"),
        ("打开hello", "打 开 hel@@ lo"),
        ("tv", "tv"),
        ("TV打开", "tv 打 开"),
        ("57", "五 7"),
        ("打57", "打 五 7"),
        ("关", None),
        ("打关", None),
        ("hello secret", None),
        ("odd", None),
        ("58", None),
        ("", None),
        (" ", None),
        ("\x00", None),
    ],
)
def test_a_word_is_spelled_as_a_whole_or_not_at_all(hotword, spelled):
    ids = spelling.Speller(SYMBOLS, SPELLINGS).spell(hotword)
    assert ids == (spelled and tuple(SYMBOLS.index(piece) for piece in spelled.split()))


def test_a_folder_without_seg_dict_spells_characters_and_symbols(tmp_path):
    folder = ModelFolder(tmp_path, {})
    assert spelling.load(folder, SYMBOLS).spell("打开tv") == (3, 4, 8)
    assert spelling.load(folder, SYMBOLS).spell("hello") is None
    (tmp_path / "seg_dict").write_text("hello\thel@@ lo\n\nalone\n", encoding="utf-8")
    assert spelling.load(folder, SYMBOLS).spell("hello") == (5, 6)
    assert spelling.load(folder, SYMBOLS).spell("alone") is None
