"""Use FunASR's HTML5 page in headless Chromium as a person would, and print the text it shows.

Runs in an environment of its own, with playwright.
browser.py PAGE_URL SERVER_URL SPEECH.wav CHROMIUM {file|offline|online|2pass}
"""

import sys
import wave

from playwright.sync_api import Page, sync_playwright

PATIENCE_MS = 60_000
IDLE = "请点击连接"  # what the page says before and after a recognition
LOADED = "请点击连接进行识别"
# What the page says counts the silence too that its recorder puts in for what a busy machine held
# up: the microphone is not at its end by then.
RECORDED_S = "parseFloat(document.getElementById('info_div').innerText) - rec.envInFix / 1000"


def recognise_file(page: Page, speech: str) -> None:
    page.check("input[name=recoder_mode][value=file]")
    with page.expect_file_chooser() as chooser:
        page.click("#upfile")
    chooser.value.set_files(speech)
    wait_until_says(page, LOADED)
    page.click("#btnConnect")


def recognise_microphone(page: Page, speech: str, mode: str) -> None:
    with wave.open(speech) as file:
        duration_s = file.getnframes() / file.getframerate()
    page.check(f"input[name=asr_mode][value='{mode}']")
    page.click("#btnConnect")
    page.wait_for_selector("#btnStart:enabled", timeout=PATIENCE_MS)
    page.click("#btnStart")
    page.wait_for_function(f"{RECORDED_S} >= {duration_s}", timeout=PATIENCE_MS)
    page.click("#btnStop")


def wait_until_says(page: Page, text: str) -> None:
    said = f"document.getElementById('info_div').innerText == '{text}'"
    page.wait_for_function(said, timeout=PATIENCE_MS)


def main() -> None:
    page_url, server_url, speech, chromium, mode = sys.argv[1:]
    flags = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(page_url)
        page.fill("#wssip", server_url)
        if mode == "file":
            recognise_file(page, speech)
        else:
            recognise_microphone(page, speech, mode)
        wait_until_says(page, IDLE)
        print(page.input_value("#varArea"))
        browser.close()
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
