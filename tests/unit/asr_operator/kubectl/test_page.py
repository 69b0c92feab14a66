from asr_operator.kubectl import page
from asr_operator.kubectl.page import Entry

TEXT = "one two three four five six seven"


def test_sentences_are_wrapped_beside_their_label():
    shown = page.render_page("speech/demo: ready.", [Entry("load", TEXT), Entry("size", "x")], 24)

    assert shown.splitlines() == [
        "speech/demo: ready.",
        "  load  one two three",
        "        four five six",
        "        seven",
        "  size  x",
    ]


def test_words_are_never_cut():
    address = "ws://demo.speech.svc:10095"

    assert address in page.render_page("title", [Entry("address", address)], 10)
