"""What is shipped is what the project's script makes."""

import pytest
import yaml

from asr_server.models import folders, loading
from asr_server.models.errors import ModelError
from demo_models import configs, manifest

PACKAGE = loading.demo_directory()
CONFIGS = {
    "asr": configs.configure_asr(streaming=False),
    "asr_online": configs.configure_asr(streaming=True),
    "vad": configs.configure_vad(),
    "punc": configs.configure_punc(),
}


def test_every_folder_is_shipped_with_the_configuration_it_was_trained_with():
    assert set(CONFIGS) == set(manifest.FOLDERS)
    for name, config in CONFIGS.items():
        assert yaml.safe_load((PACKAGE / name / "config.yaml").read_text("utf-8")) == config


@pytest.fixture
def made(tmp_path):
    """Four folders with one small file each."""
    for name in manifest.FOLDERS:
        (tmp_path / "made" / name).mkdir(parents=True)
        (tmp_path / "made" / name / "model.pt").write_bytes(name.encode())
    return tmp_path / "made"


def test_installed_folders_are_described_and_replace_what_was_there(made, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "_read_versions", lambda: {})  # espeak-ng need not be here
    package = tmp_path / "package"
    (package / "asr").mkdir(parents=True)
    (package / "asr" / "old").touch()
    manifest.install(made, package, {"figures": {}})
    folders.verify_manifest(package)
    assert not (package / "asr" / "old").exists()
    (package / "vad" / "model.pt").write_bytes(b"other")
    with pytest.raises(ModelError, match="sha256"):
        folders.verify_manifest(package)


def test_folders_that_are_too_large_are_not_installed(made, tmp_path):
    (made / "punc" / "model.pt").write_bytes(bytes(6_000_001))
    with pytest.raises(ValueError, match="6000000"):
        manifest.install(made, tmp_path / "package", {})
    assert not (tmp_path / "package").exists()
