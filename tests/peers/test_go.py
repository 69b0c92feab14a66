"""FunASR's Go client. What others give as arguments is set in its main(), as its readme says."""

import re
import shutil

from traffic.recording import Client

FOLDER = "runtime/golang/websocket"


def test_go_client(stage, source, run, tool):
    go = tool("go", "golang")
    project = stage.folder / "client"
    shutil.copytree(source.folder / FOLDER, project)
    (stage.folder / "hotwords.txt").write_text("阳台 20\n", encoding="utf-8")
    client = Client(
        *("go_ws_client.go", source.version, "offline", "mode offline"),
        f"{FOLDER}/go_ws_client.go",
        needs={"timestamp": "str or absent"},
        note="go mod tidy adds go-audio/wav, which its go.mod lacks; ws only",
    )
    with stage.tapped("go-offline", client) as tap:
        settings = {
            "audio_in": str(stage.wav()),
            "port": str(tap.port),
            "output_dir": str(stage.folder),
            "hotword": str(stage.folder / "hotwords.txt"),
        }
        configure(project / "go_ws_client.go", settings)
        run(go, "mod", "tidy", cwd=project)
        run(go, "build", "-o", "client", ".", cwd=project)
        shown = run(project / "client").stdout
    stage.assert_words_and_times(re.findall(r"pid0_0: demo: (.*)", shown)[-1])


def configure(program, settings):
    text = program.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, count = re.subn(rf'args\.{name} = ".*"', f'args.{name} = "{value}"', text)
        assert count == 1, f"{name} is not set in main()"
    program.write_text(text, encoding="utf-8")
