"""Synthesise the held-out utterances of the tests: `python tests/data/make_utterances.py`.

espeak-ng reads sentences of the demo models' closed grammar with voices, speeds and pitches that
training never used. Texts are held out too: one in six, by hash; only the fixed phrases, a closed
list, are known from training. Needs espeak-ng (Debian package); the same version and seed give
the same files.
"""

import hashlib
import io
import json
import random
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

FOLDER = Path(__file__).parent / "utterances"
COUNT = 80
SEED = 20
RATE_HZ = 16000
GAIN = 0.5  # headroom like that of a real microphone, and smaller files

VOICES = ["m3", "m6", "f2", "f5", "Alicia", "john", "michael", "steph2"]
SPEEDS = [150, 180]
PITCHES = [35, 50, 65]

PHRASES = [
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
]
DIGITS = "零一二三四五六七八九"
HOURS = ["一", "两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"]
WORDS = {
    "switch": ["打开", "关闭"],
    "turn": ["打开", "关掉"],
    "room": ["客厅", "卧室", "厨房", "书房", "阳台"],
    "device": ["灯", "空调", "电视", "窗帘", "风扇", "音箱"],
    "degrees": ["十八", "十九", "二十", *("二十" + digit for digit in DIGITS[1:]), "三十"],
    "change": ["升高", "降低"],
    "few": HOURS[:5],
    "day": ["今天", "明天", "后天"],
    "part": ["早上", "下午", "晚上"],
    "hour": HOURS,
    "task": ["开会", "吃药", "买菜", "交电费", "接孩子"],
    "city": ["北京", "上海", "广州", "深圳", "成都"],
    "want": ["播放", "我想听"],
    "media": ["音乐", "新闻", "故事", "相声"],
}
SENTENCES = [
    "{switch}{room}的{device}",
    "把{room}的{device}{turn}",
    "把{room}空调调到{degrees}度",
    "温度{change}{few}度",
    "设置{day}{part}{hour}点的闹钟",
    "提醒我{day}{part}{hour}点{task}",
    "{city}{day}天气怎么样",
    "{want}{city}{media}",
]
LEADS = ["", "", "我的手机号是", "订单号是", "卡号是"]
PAUSE = "|"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that one utterance is made from; a bar in `script` is a pause."""

    name: str
    kind: str
    script: str
    voice: str
    speed: int
    pitch: int
    seed: int


def is_held_out(text: str) -> bool:
    """Whether training never saw a text."""
    return int(hashlib.md5(text.encode()).hexdigest(), 16) % 6 == 0


def draw_script(draw: random.Random) -> tuple[str, str]:
    """Return a kind and a held-out script of it."""
    kind = draw.choices(["digits", "slots", "pair", "fixed"], [35, 40, 15, 10])[0]
    while True:
        if kind == "fixed":
            return kind, draw.choice(PHRASES)
        if kind == "digits":
            number = "".join(draw.choice(DIGITS) for _ in range(draw.randint(3, 9)))
            script = draw.choice(LEADS) + number
        elif kind == "slots":
            words = {slot: draw.choice(choices) for slot, choices in WORDS.items()}
            script = draw.choice(SENTENCES).format(**words)
        else:
            script = draw.choice(["", PAUSE]).join(draw.sample(PHRASES, 2))
        text = script.replace(PAUSE, "")
        if is_held_out(text) and text not in PHRASES:
            return kind, script


def draw_recipes() -> list[Recipe]:
    """Return the recipes of all utterances; no text occurs twice."""
    draw = random.Random(SEED)
    recipes: dict[str, Recipe] = {}
    while len(recipes) < COUNT:
        kind, script = draw_script(draw)
        manner = draw.choice(VOICES), draw.choice(SPEEDS), draw.choice(PITCHES)
        seed = draw.randrange(1 << 30)
        name = f"{len(recipes):03d}"
        recipes.setdefault(script.replace(PAUSE, ""), Recipe(name, kind, script, *manner, seed))
    return list(recipes.values())


def speak(phrase: str, recipe: Recipe) -> np.ndarray:
    """Return espeak-ng's reading without silence at its ends, float32 at 16 kHz."""
    voice = f"cmn-latn-pinyin+{recipe.voice}"
    command = ["espeak-ng", "-v", voice, "-s", str(recipe.speed), "-p", str(recipe.pitch)]
    done = subprocess.run([*command, "--stdout", phrase], capture_output=True, check=True)
    header = 44
    samples = np.frombuffer(done.stdout[header : len(done.stdout) // 2 * 2], np.int16)
    speech = soxr.resample(samples.astype(np.float32) / 32768, 22050, RATE_HZ)
    loud = np.flatnonzero(np.abs(speech) > 0.01)
    return speech[loud[0] : loud[-1] + 1]


def synthesise(recipe: Recipe) -> np.ndarray:
    """Return int16 audio: silence, the phrases with pauses between them, silence."""
    draw = random.Random(recipe.seed)

    def silence(shortest_s: float, longest_s: float) -> np.ndarray:
        return np.zeros(int(draw.uniform(shortest_s, longest_s) * RATE_HZ), np.float32)

    def edge() -> np.ndarray:
        return silence(0.1, 0.4) if draw.random() < 0.75 else silence(0.4, 1.2)

    parts = [edge()]
    for position, phrase in enumerate(recipe.script.split(PAUSE)):
        parts += [silence(0.2, 1.2)] * (position > 0) + [speak(phrase, recipe)]
    return (np.clip(np.concatenate([*parts, edge()]) * GAIN, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    """Write the FLAC files and manifest.json."""
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for recipe in draw_recipes():
        audio = synthesise(recipe)
        flac = io.BytesIO()
        soundfile.write(flac, audio, RATE_HZ, format="FLAC", compression_level=1.0)
        (FOLDER / f"{recipe.name}.flac").write_bytes(flac.getvalue())
        digest = hashlib.sha256(audio.tobytes()).hexdigest()
        text = recipe.script.replace(PAUSE, "")
        row = {"text": text, "audio_s": round(len(audio) / RATE_HZ, 3), "pcm_sha256": digest}
        rows.append(asdict(recipe) | row)
    about = "Held-out speech of espeak-ng 1.51, made by make_utterances.py; audio_s in seconds"
    manifest = {"about": about, "seed": SEED, "utterances": rows}
    (FOLDER / "manifest.json").write_text(
        json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
