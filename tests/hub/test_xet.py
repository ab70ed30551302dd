"""The same binder over xet, with the real ``hf_xet`` and the storage it can keep in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_xet import XetHub, rebuilt, uploaded

from anybind.errors import HubError
from anybind.hub import pull, push

NAME = "alice/binder"
MODEL = "model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def xet_in_a_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Skip where hf_xet is missing or takes no folder for its storage: that is not documented and may go."""
    pytest.importorskip("hf_xet")
    folder, content = tmp_path_factory.mktemp("xet"), bytes(range(256)) * 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_XET_LOG_DEST", str(folder / "log"))  # else in the home folder
        try:
            address = f"local://{folder}"
            same = rebuilt(address, uploaded(address, content), len(content), folder / "rebuilt") == content
        except Exception as error:
            pytest.skip(f"this hf_xet keeps no storage in a folder: {type(error).__name__}: {error}")
        assert same
        yield


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[XetHub]:
    from huggingface_hub import constants

    from anybind.hub import client

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.01)
    with XetHub(tmp_path / "storage") as running:
        yield running


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_push_and_pull_are_byte_identical(hub: XetHub, folder: Path, to: Any, of: Any) -> None:
    commit = push(folder, NAME, **to).commit
    assert hub.repo(NAME).messages[1:] == ["Add a binder with anybind"]  # one commit
    found = pull(NAME, **of)
    assert found.revision == commit
    assert contents(found.folder) == contents(folder)
    assert hub.files(NAME)[MODEL] == (folder / MODEL).read_bytes()
    assert hub.asked("GET", "/xet-write-token/")
    assert hub.asked("GET", f"/xet-read-token/{commit}")
    assert not hub.asked("", "/objects")  # neither the protocol of large files, nor its storage


def test_what_was_pulled_is_not_fetched_again(hub: XetHub, folder: Path, to: Any, of: Any) -> None:
    push(folder, NAME, **to)
    first = pull(NAME, **of)
    hub.log.clear()
    assert pull(NAME, **of) == first
    assert not hub.asked("", "xet|objects|model")
    hub.log.clear()
    assert pull(NAME, revision=first.revision, **of) == first
    assert not hub.log


def test_a_second_push_sends_nothing(hub: XetHub, folder: Path, to: Any) -> None:
    push(folder, NAME, **to)
    hub.log.clear()
    assert push(folder, NAME, **to).unchanged
    assert not hub.asked("POST", "/commit/")
    assert not hub.asked("", "xet")


def test_what_xet_stored_is_read_without_it(
    hub: XetHub, folder: Path, to: Any, of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    push(folder, NAME, **to)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    assert contents(pull(NAME, **of).folder) == contents(folder)
    assert hub.asked("GET", "/objects/")


def test_a_cached_file_that_rots_is_fetched_again(hub: XetHub, folder: Path, to: Any, of: Any) -> None:
    push(folder, NAME, **to)
    model = pull(NAME, **of).folder / MODEL
    damaged = model.read_bytes()[::-1]
    model.resolve().write_bytes(damaged)
    with pytest.raises(HubError, match="damaged"):
        pull(NAME, local_files_only=True, **of)
    assert contents(pull(NAME, **of).folder) == contents(folder)
