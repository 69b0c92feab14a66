"""What the demo models know: a closed grammar of Mandarin, English and sentences of both.

A script is what is spoken: a bar in it is a pause. Its text is its tokens, written as the server
writes them. One text in six, by hash, is kept from training; only the fixed phrases, a closed list,
are in both. Drawing is pure: the same `random.Random` gives the same scripts.
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterable

PAUSE = "|"

PHRASES = (
    "请帮我转人工客服",
    "我要查询话费余额",
    "我要办理退款",
    "请问有什么可以帮您",
    "请您稍等一下",
    "谢谢您的来电",
    "您的订单已经发货",
    "我的快递什么时候到",
    "请输入您的手机号码",
    "请说出您的身份证号",
    "我想投诉你们的服务",
    "密码忘记了怎么办",
    "银行卡丢了要挂失",
    "帮我查一下账单",
    "我要修改收货地址",
    "现在可以退货吗",
    "这个多少钱",
    "有没有优惠活动",
    "请再说一遍",
    "我听不清楚",
    "好的没问题",
    "不用了谢谢",
    "再见",
    "欢迎再次来电",
    "祝您生活愉快",
    "今天是星期几",
    "现在几点了",
    "给妈妈打电话",
    "声音大一点",
    "声音小一点",
    "下一首歌",
    "上一首歌",
    "暂停播放",
    "继续播放",
    "打开所有的灯",
    "关闭所有的灯",
    "我回来了",
    "我出门了",
    "开始扫地",
    "网络连接失败",
)
DIGITS = "零一二三四五六七八九"
HOURS = ("一", "两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
ENGLISH_PHRASES = (
    "hello",
    "good morning",
    "good night",
    "thank you",
    "goodbye",
    "yes please",
    "no thank you",
    "play some music",
    "stop the music",
    "next song",
    "volume up",
    "volume down",
    "what time is it",
    "call customer service",
    "cancel my order",
    "repeat that please",
)
ENGLISH_DIGITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
WORDS = {
    "switch": ("打开", "关闭"),
    "turn": ("打开", "关掉"),
    "room": ("客厅", "卧室", "厨房", "书房", "阳台"),
    "device": ("灯", "空调", "电视", "窗帘", "风扇", "音箱"),
    "degrees": ("十八", "十九", "二十", *("二十" + digit for digit in DIGITS[1:]), "三十"),
    "change": ("升高", "降低"),
    "few": HOURS[:5],
    "day": ("今天", "明天", "后天"),
    "part": ("早上", "下午", "晚上"),
    "hour": HOURS,
    "task": ("开会", "吃药", "买菜", "交电费", "接孩子"),
    "city": ("北京", "上海", "广州", "深圳", "成都"),
    "want": ("播放", "我想听"),
    "media": ("音乐", "新闻", "故事", "相声"),
}
ENGLISH_WORDS = {
    "lead": ("", "please "),
    "on": ("on", "off"),
    "thing": ("light", "fan", "heater", "radio", "television"),
    "where": ("", " in the kitchen", " in the bedroom", " in the office"),
    "open": ("open", "close"),
    "hole": ("door", "window", "curtain"),
    "person": ("my mother", "my father", "the office", "customer service"),
    "clock": ENGLISH_DIGITS[1:],
    "genre": ("jazz", "rock", "disco"),
    "gadget": ("bluetooth", "camera", "email"),
}
SENTENCES = (
    "{switch}{room}的{device}",
    "把{room}的{device}{turn}",
    "把{room}空调调到{degrees}度",
    "温度{change}{few}度",
    "设置{day}{part}{hour}点的闹钟",
    "提醒我{day}{part}{hour}点{task}",
    "{city}{day}天气怎么样",
    "{want}{city}{media}",
)
ENGLISH_SENTENCES = (
    "{lead}turn {on} the {thing}{where}",
    "{lead}{open} the {hole}{where}",
    "{lead}call {person}",
    "{lead}set the alarm for {clock}",
)
MIXED_SENTENCES = (
    "{want}{genre}{media}",
    "{switch}{room}的{gadget}",
    "{switch}{gadget}",
    "提醒我{day}{part}{hour}点call {person}",
)
LEADS = ("", "", "我的手机号是", "订单号是", "卡号是")
ENGLISH_LEADS = ("", "", "my number is ", "the order number is ")

_TOKEN = re.compile(r"[a-z]+|[^\x00-\x7f]")
_RUN = re.compile(r"[a-z ]+|[^\x00-\x7f]+")


def is_held_out(text: str) -> bool:
    """Whether training never sees a text."""
    return int(hashlib.md5(text.encode()).hexdigest(), 16) % 6 == 0


def split_tokens(script: str) -> list[str]:
    """Split a script into what the models give: Chinese characters and English words."""
    return _TOKEN.findall(script)


def split_runs(phrase: str) -> list[str]:
    """Split a phrase where its language changes."""
    return _RUN.findall(phrase)


def write_text(script: str) -> str:
    """Return a script's text."""
    return join_tokens(split_tokens(script))


def join_tokens(tokens: Iterable[str]) -> str:
    """Return the text of tokens: a space between two English words, none beside Chinese."""
    text = ""
    for token in tokens:
        text += " " * (text[-1:].isascii() and token.isascii() and text != "") + token
    return text


def list_tokens() -> list[str]:
    """Return the symbols of all models, special ones first and last."""
    spoken = [*PHRASES, *ENGLISH_PHRASES, *SENTENCES, *ENGLISH_SENTENCES, *MIXED_SENTENCES]
    spoken += [re.sub(r"\{\w+\}", " ", sentence) for sentence in spoken if "{" in sentence]
    spoken = [phrase for phrase in spoken if "{" not in phrase]
    spoken += [word for words in (WORDS | ENGLISH_WORDS).values() for word in words]
    spoken += [*LEADS, *ENGLISH_LEADS, *ENGLISH_DIGITS, *DIGITS]
    known = {token for phrase in spoken for token in split_tokens(phrase)}
    return ["<blank>", "<s>", "</s>", *sorted(known), "<unk>"]


def draw_mandarin(draw: random.Random, *, held_out: bool) -> tuple[str, str]:
    """Return a kind and a Mandarin script of it."""
    kind = draw.choices(["digits", "slots", "pair", "fixed"], [35, 40, 15, 10])[0]
    make: dict[str, Callable[[], str]] = {
        "fixed": lambda: draw.choice(PHRASES),
        "digits": lambda: _draw_number(draw),
        "slots": lambda: fill_sentence(draw, SENTENCES, WORDS),
        "pair": lambda: draw.choice(["", PAUSE]).join(draw.sample(PHRASES, 2)),
    }
    return kind, _draw_until_fit(make[kind], held_out=held_out, is_fixed=kind == "fixed")


def draw_english(draw: random.Random, *, held_out: bool) -> tuple[str, str]:
    """Return a kind and an English script of it."""
    kind = draw.choices(["en-digits", "en-slots", "en-pair", "en-fixed"], [35, 35, 15, 15])[0]
    make: dict[str, Callable[[], str]] = {
        "en-fixed": lambda: draw.choice(ENGLISH_PHRASES),
        "en-digits": lambda: _draw_english_number(draw),
        "en-slots": lambda: fill_sentence(draw, ENGLISH_SENTENCES, ENGLISH_WORDS),
        "en-pair": lambda: PAUSE.join(draw.sample(ENGLISH_PHRASES, 2)),
    }
    return kind, _draw_until_fit(make[kind], held_out=held_out, is_fixed=kind == "en-fixed")


def draw_mixed(draw: random.Random, *, held_out: bool) -> tuple[str, str]:
    """Return a kind and a script of both languages."""
    kind = draw.choices(["mixed-slots", "mixed-pair", "mixed-digits"], [50, 30, 20])[0]

    def draw_pair() -> str:
        both = [draw.choice(PHRASES), draw.choice(ENGLISH_PHRASES)]
        draw.shuffle(both)
        return draw.choice(["", PAUSE]).join(both)

    make: dict[str, Callable[[], str]] = {
        "mixed-slots": lambda: fill_sentence(draw, MIXED_SENTENCES, WORDS | ENGLISH_WORDS),
        "mixed-pair": draw_pair,
        "mixed-digits": lambda: (
            draw.choice(LEADS[2:]) + _draw_english_number(draw).split(" is ")[-1]
        ),
    }
    return kind, _draw_until_fit(make[kind], held_out=held_out, is_fixed=False)


def fill_sentence(
    draw: random.Random, sentences: tuple[str, ...], words: dict[str, tuple[str, ...]]
) -> str:
    """Return one of the sentences with words in its slots."""
    drawn = {slot: draw.choice(choices) for slot, choices in words.items()}
    return draw.choice(sentences).format(**drawn)


def _draw_until_fit(make: Callable[[], str], *, held_out: bool, is_fixed: bool) -> str:
    while True:
        script = make()
        text = write_text(script)
        is_known = text in PHRASES or text in ENGLISH_PHRASES
        if is_fixed or (is_held_out(text) == held_out and not is_known):
            return script


def _draw_number(draw: random.Random) -> str:
    number = "".join(draw.choice(DIGITS) for _ in range(draw.randint(3, 9)))
    return draw.choice(LEADS) + number


def _draw_english_number(draw: random.Random) -> str:
    number = " ".join(draw.choice(ENGLISH_DIGITS) for _ in range(draw.randint(3, 7)))
    return draw.choice(ENGLISH_LEADS) + number
