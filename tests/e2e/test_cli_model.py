"""`psyllm model`: downloads over real HTTP from a hub on this machine, and a look at a real, tiny model."""

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from bot.cli.model import check_model, pull_model
from config import ConfigError
from tests.emulators import hub as hubs
from tests.emulators import tiny_model
from tests.emulators.hub import Hub

MODEL = "somebody/tiny"
PIECE = constants.DOWNLOAD_CHUNK_SIZE  # the client keeps what came in whole pieces of so many bytes


@pytest.fixture(autouse=True)
def _logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs that are set up for a command would outlive it in this process."""
    monkeypatch.setattr("bot.cli.model.set_up_logs", lambda settings: None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_model.save("llama", tmp_path_factory.mktemp("tiny"))
    (folder / "pytorch_model.bin").write_bytes(b"the same weights once more")
    return folder


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that the client takes for the real one, and an empty cache."""
    with hubs.serve() as hub:
        hub.models[MODEL] = tiny
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        files = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield hub
        huggingface_hub.close_session()


def test_a_download_says_licence_and_size_and_goes_on_after_a_break(
    tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    """The connection breaks in the middle of the weights; what came is not fetched again."""
    served = hub.models["somebody/large"] = tmp_path / "served"
    served.mkdir()
    weights = bytes(range(256)) * (2 * PIECE // 256)
    (served / "model.safetensors").write_bytes(weights)
    (served / "pytorch_model.bin").write_bytes(b"the same weights once more")
    hub.breaks["model.safetensors"] = PIECE + 1000

    pull_model("somebody/large", tmp_path / "model")
    said = capsys.readouterr().out
    for part in ("licence: apache-2.0", "version 55555555", "to download: 21.0 MB", "It is complete", "model check"):
        assert part in said
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights
    assert hub.sent == [("model.safetensors", 0), ("model.safetensors", PIECE)]  # and no pytorch_model.bin

    pull_model("somebody/large", tmp_path / "model")
    assert "to download: 0.0 MB" in capsys.readouterr().out
    assert len(hub.sent) == 2


def test_what_is_in_the_cache_is_found_by_its_name_without_a_network(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_model(MODEL, None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    check_model(MODEL)
    assert "transformers:tiny, version 55555555" in capsys.readouterr().out


def test_a_model_that_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path, hub: Hub) -> None:
    hub.sizes["model.safetensors"] = 10**18
    with pytest.raises(ConfigError, match="do not fit on the disk"):
        pull_model(MODEL, tmp_path / "m")
    assert hub.sent == []


def test_what_holds_no_weights_is_refused(tmp_path: Path, hub: Hub) -> None:
    hub.models["somebody/words"] = tmp_path
    (tmp_path / "README.md").write_text("words")
    with pytest.raises(ConfigError, match="holds no weights"):
        pull_model("somebody/words", tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody/nothing", "there is no such model at http://127.0.0.1"),
        ("not a name", "is not the name of a model; names are like owner/model"),
        (MODEL, "is given only to those who accept its terms: do so at http://127.0.0.1"),
    ],
)
def test_a_refusal_is_a_sentence(tmp_path: Path, hub: Hub, name: str, said: str) -> None:
    hub.gated.add(MODEL)
    with pytest.raises(ConfigError, match=said):
        pull_model(name, tmp_path / "m")


def test_no_network_is_a_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"cannot reach http://127.0.0.1:9 .* HF_ENDPOINT"):
        pull_model(MODEL, None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set"):
        pull_model(MODEL, None)


def test_a_check_says_how_the_model_does_and_what_to_do(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__DTYPE", "float32")
    monkeypatch.setenv("PSYLLM_TURN__REPLY_TIMEOUT_SECONDS", "0.000001")
    assert check_model(str(tiny)) == 1
    said = capsys.readouterr().out
    for part in ("float32 on cpu (", "threads", "3072 tokens", "chat template  yes", "answer, zh", "a second"):
        assert part in said
    assert "the guard would stop this answer" in said  # random weights write noise
    assert "more than turn.reply_timeout_seconds" in said


def test_a_model_that_cannot_run_is_a_sentence_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no model is set"):
        check_model("")
    plain = tiny_model.save("gpt2", tmp_path / "plain", chat=False)
    monkeypatch.setenv("PSYLLM_TRANSFORMERS__MODEL", str(plain))
    with pytest.raises(ConfigError, match=r"has no chat template; set transformers\.prompt to completion"):
        check_model("")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="could not be loaded"):
        check_model(str(tmp_path))
