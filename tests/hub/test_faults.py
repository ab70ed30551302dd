"""Whatever goes wrong between here and the hub: the right thing happens, or an error says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hub_repositories import File
from loopback_hub import LoopbackHub

import anybind
from anybind.errors import ArtifactError, HubError, UsageError
from anybind.hub import pull, push

NAME = "alice/binder"


@pytest.fixture
def pushed(hub: LoopbackHub, folder: Path, to: Any) -> str:
    """The commit of a pushed binder; the log is empty after it."""
    commit = push(folder, NAME, **to).commit
    hub.log.clear()
    assert commit is not None
    return commit


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("name", "token", "told"),
    [
        (NAME, "hf_wrong", "does not know who asks"),
        (NAME, "hf_bob", "does not allow this"),
        ("bob/other", "hf_alice", "does not allow this"),
    ],
)
def test_a_push_that_is_refused(
    hub: LoopbackHub, pushed: str, folder: Path, name: str, token: str, told: str
) -> None:
    with pytest.raises(HubError, match=told) as caught:
        push(folder, name, license="apache-2.0", endpoint=hub.endpoint, token=token)
    assert name in str(caught.value.where)
    assert hub.repo(NAME).refs["main"] == pushed


@pytest.mark.parametrize("name", ["not a name", "binder", "a/b/c", "../x"])
def test_what_is_no_name_is_not_asked_for(hub: LoopbackHub, folder: Path, to: Any, of: Any, name: str) -> None:
    with pytest.raises(UsageError, match="no repository's name"):
        push(folder, name, **to)
    with pytest.raises(UsageError, match="no repository's name"):
        pull(name, **of)
    assert not hub.log


@pytest.mark.parametrize(
    ("name", "revision", "told"),
    [
        ("alice/nothing", None, "no such repository"),
        (NAME, "v9", "no such revision"),
        (NAME, "0" * 40, "no such revision"),
    ],
)
def test_a_pull_of_what_is_not_there(pushed: str, of: Any, name: str, revision: str | None, told: str) -> None:
    with pytest.raises(HubError, match=told):
        pull(name, revision=revision, **of)


def test_a_gated_repository(hub: LoopbackHub, pushed: str, of: Any) -> None:
    hub.repo(NAME).gated = True
    with pytest.raises(HubError, match="gated") as caught:
        pull(NAME, **{**of, "token": "hf_bob"})
    assert "ask for access" in str(caught.value.hint)


def test_a_repository_that_holds_no_binder(hub: LoopbackHub, pushed: str, of: Any) -> None:
    hub.repo(NAME).commit("main", {"README.md": File(b"hello", lfs=False)}, "something else")
    with pytest.raises(HubError, match="lacks a file"):
        pull(NAME, **of)
    hub.put(NAME, **{"config.json": b'{"model_type": "bert"}'})
    with pytest.raises(ArtifactError, match=r"config\.json"):
        pull(NAME, **of)


def test_a_repository_made_by_somebody_else_meanwhile_is_used(hub: LoopbackHub, folder: Path, to: Any) -> None:
    push(folder, NAME, **to)
    hub.fail("GET", "/revision/main", (404, "RepoNotFound", "not there"))
    push(folder, NAME, license="apache-2.0", **to)
    assert hub.asked("POST", "/api/repos/create")
    assert b"apache-2.0" in hub.files(NAME)["README.md"]


def test_a_push_meanwhile_is_not_overwritten(
    hub: LoopbackHub, pushed: str, folder: Path, to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anybind.hub import pushing

    listed = pushing._listed

    def then_somebody_pushes(*arguments: Any) -> Any:
        found = listed(*arguments)
        hub.put(NAME, **{"metrics.json": b"theirs"})
        return found

    monkeypatch.setattr(pushing, "_listed", then_somebody_pushes)
    with pytest.raises(HubError, match="pushed meanwhile"):
        push(folder, NAME, license="apache-2.0", **to)
    assert hub.files(NAME)["metrics.json"] == b"theirs"
    assert b"apache-2.0" not in hub.files(NAME)["README.md"]


# ------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize("trouble", [503, "drop"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/revision/main"), ("POST", "/preupload/"), ("POST", "/lfs/objects/batch"), ("PUT", "/objects/"),
     ("POST", "/commit/")],
)  # fmt: skip
def test_a_push_survives_a_moment_of_trouble(
    hub: LoopbackHub, folder: Path, to: Any, method: str, path: str, trouble: Any
) -> None:
    hub.fail(method, path, trouble)
    push(folder, NAME, **to)
    assert set(hub.files(NAME)) >= {"config.json", "model.safetensors"}
    assert len(hub.repo(NAME).commits) == 2


@pytest.mark.parametrize("trouble", [503, "drop"])
@pytest.mark.parametrize(("method", "path"), [("HEAD", "config"), ("HEAD", "model.safe"), ("GET", "/objects/")])
def test_a_pull_survives_a_moment_of_trouble(
    hub: LoopbackHub, pushed: str, of: Any, method: str, path: str, trouble: Any
) -> None:
    hub.fail(method, path, trouble)
    assert pull(NAME, **of).revision == pushed


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    hub: LoopbackHub, folder: Path, to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = hub.content.apply

    def then_the_line_breaks(*arguments: Any) -> Any:
        monkeypatch.setattr(hub.content, "apply", applied)
        applied(*arguments)
        return 503, {"error": "the answer is lost"}

    monkeypatch.setattr(hub.content, "apply", then_the_line_breaks)
    result = push(folder, NAME, **to)
    assert len(hub.repo(NAME).commits) == 2
    assert result.commit == hub.repo(NAME).refs["main"]


def test_a_hub_that_stays_in_trouble(hub: LoopbackHub, pushed: str, folder: Path, to: Any, of: Any) -> None:
    hub.fail("POST", "/commit/", 503, times=99)
    with pytest.raises(HubError, match="did not answer as it should"):
        push(folder, NAME, license="apache-2.0", **to)
    hub.fail("GET", "/objects/", 503, times=99)
    with pytest.raises(HubError):
        pull(NAME, **of)


def test_a_hub_that_is_down_is_replaced_by_the_cache(hub: LoopbackHub, pushed: str, of: Any, tmp_path: Path) -> None:
    pull(NAME, **of)
    hub.stop()
    for revision in (None, "main", pushed):
        assert pull(NAME, revision=revision, **of).revision == pushed
    with pytest.raises(HubError, match="cannot be reached"):
        pull(NAME, **{**of, "cache_dir": tmp_path / "cold"})
    with pytest.raises(HubError):
        pull("alice/other", **of)


def test_offline_mode(
    hub: LoopbackHub, pushed: str, folder: Path, to: Any, of: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    pull(NAME, **of)
    hub.log.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull(NAME, **of).revision == pushed
    with pytest.raises(HubError):
        pull(NAME, **{**of, "cache_dir": tmp_path / "cold"})
    with pytest.raises(HubError, match="offline mode is on"):
        push(folder, NAME, license="apache-2.0", **to)
    assert not hub.log


def test_a_known_commit_needs_no_network_at_all(hub: LoopbackHub, pushed: str, of: Any) -> None:
    with pytest.raises(HubError):
        pull(NAME, local_files_only=True, **of)
    pull(NAME, **of)
    hub.log.clear()
    assert pull(NAME, revision=pushed, **of).revision == pushed
    assert pull(NAME, local_files_only=True, **of).revision == pushed
    assert anybind.Binder.from_pretrained(NAME, revision=pushed, **of).revision == pushed
    assert not hub.log


# -------------------------------------------------------------------------------------- damage


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize("path", ["/objects/", r"/resolve/.*/config\.json", r"/resolve/.*/README\.md"])
def test_a_file_that_came_damaged_is_fetched_again(hub: LoopbackHub, pushed: str, of: Any, path: str) -> None:
    """The client checks sizes only: a file of the right size with another content passes it."""
    hub.fail("GET", path, flipped)
    found = pull(NAME, **of)
    assert anybind.Binder.from_pretrained(found.folder).dims == {"a": 8, "b": 8, "c": 8}


@pytest.mark.parametrize("path", ["/objects/", r"/resolve/.*/README\.md"])
def test_a_file_that_stays_damaged_is_refused(hub: LoopbackHub, pushed: str, of: Any, path: str) -> None:
    hub.fail("GET", path, flipped, times=99)
    with pytest.raises(HubError, match="damaged, twice"):
        pull(NAME, **of)


def test_a_truncated_file_is_fetched_again(hub: LoopbackHub, pushed: str, of: Any) -> None:
    hub.fail("GET", "/objects/", "truncate")
    assert pull(NAME, **of).revision == pushed


def test_a_cache_that_rots_is_repaired_or_told(hub: LoopbackHub, pushed: str, of: Any) -> None:
    folder = pull(NAME, **of).folder
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(flipped(blob.read_bytes()))
    with pytest.raises(HubError, match="damaged"):
        pull(NAME, local_files_only=True, **of)
    assert pull(NAME, revision=pushed, **of).revision == pushed
    assert anybind.Binder.from_pretrained(folder).method_name == "pcca"


def test_a_hub_that_names_files_outside_is_not_followed(hub: LoopbackHub, pushed: str, of: Any, tmp_path: Path) -> None:
    """Names come from config.json, where only an artifact's own are allowed; a tree listing is never asked for."""
    hub.put(NAME, **{"../evil": b"x"})
    pull(NAME, **of)
    assert not hub.asked("GET", "/tree/")
    config = hub.files(NAME)["config.json"].replace(b'"model.safetensors":', b'"../model.safetensors":')
    hub.put(NAME, **{"config.json": config})
    with pytest.raises(ArtifactError, match="damaged"):
        pull(NAME, **of)
    assert not list(tmp_path.rglob("evil"))


def test_a_config_that_was_changed_does_not_load(hub: LoopbackHub, pushed: str, of: Any) -> None:
    files = hub.files(NAME)
    hub.put(NAME, **{"README.md": files["README.md"] + b"more"})
    with pytest.raises(ArtifactError, match="was changed"):
        anybind.Binder.from_pretrained(NAME, **of)
