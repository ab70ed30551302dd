"""What a folder holds is what a repository holds, in one commit; what comes back is the same to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from loopback_hub import LoopbackHub

import anybind
from anybind.errors import ArtifactError, HubError, UsageError
from anybind.hub import pull, push

NAME = "alice/binder"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def held(hub: LoopbackHub, revision: str = "main") -> dict[str, bytes]:
    return {path: content for path, content in hub.files(NAME, revision).items() if path != ".gitattributes"}


def test_the_repository_holds_what_the_folder_holds(hub: LoopbackHub, folder: Path, to: Any) -> None:
    result = push(folder, NAME, **to)
    assert held(hub) == contents(folder)
    assert hub.repo(NAME).messages[1:] == ["Add a binder with anybind"]  # one commit
    assert hub.repo(NAME).refs["main"] == result.commit
    assert result.url == f"{hub.endpoint}/{NAME}"
    assert set(result.uploaded) == set(contents(folder))
    assert f'from_pretrained("{NAME}")' in (folder / "README.md").read_text()
    assert all(r.agent.startswith("anybind/") for r in hub.asked("POST", "/commit/"))


def test_what_is_pulled_is_the_same_binder(
    hub: LoopbackHub, folder: Path, to: Any, of: Any, binder: anybind.Binder
) -> None:
    commit = push(folder, NAME, **to).commit
    found = pull(NAME, **of)
    assert found.revision == commit
    assert contents(found.folder) == contents(folder)
    again = anybind.Binder.from_pretrained(NAME, **of)
    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.score("a", rows, "c", rows), binder.score("a", rows, "c", rows))
    assert again.revision == commit
    assert again.licence == "mit"


def test_large_files_go_in_parts_where_the_storage_asks_for_it(
    hub: LoopbackHub, folder: Path, to: Any, of: Any
) -> None:
    hub.multipart_above = 1000
    push(folder, NAME, **to)
    assert len(hub.asked("PUT", r"\?part=")) > 2
    assert contents(pull(NAME, **of).folder) == contents(folder)


def test_the_token_never_reaches_the_storage(hub: LoopbackHub, folder: Path, to: Any, of: Any) -> None:
    push(folder, NAME, **to)
    pull(NAME, **of)
    at_storage = [request for request in hub.log if request.origin == "storage"]
    assert {request.method for request in at_storage} >= {"PUT", "GET"}
    assert all(request.token is None for request in at_storage)
    assert any(request.token == "hf_alice" for request in hub.log)


def test_a_second_push_of_the_same_sends_nothing_and_commits_nothing(
    hub: LoopbackHub, folder: Path, to: Any
) -> None:
    first = push(folder, NAME, **to)
    hub.log.clear()
    again = push(folder, NAME, **to)
    assert again.unchanged
    assert again.commit == first.commit
    assert len(hub.repo(NAME).commits) == 2
    assert not hub.asked("PUT") + hub.asked("POST")


def test_a_changed_binder_replaces_the_old_one_and_leaves_other_files(
    hub: LoopbackHub, folder: Path, binder: anybind.Binder, to: Any
) -> None:
    push(folder, NAME, **to)
    hub.put(NAME, **{"metrics.json": b"old", "notes.txt": b"mine"})
    result = push(folder, NAME, **to)
    assert (result.uploaded, result.deleted) == ((), ("metrics.json",))
    assert held(hub) == contents(folder) | {"notes.txt": b"mine"}
    assert hub.repo(NAME).messages[-1] == "Update a binder with anybind"


def test_a_dry_run_changes_nothing_anywhere(hub: LoopbackHub, folder: Path, to: Any) -> None:
    before = contents(folder)
    result = push(folder, NAME, dry_run=True, **to)
    assert result.dry_run
    assert result.commit is None
    assert set(result.uploaded) == set(before)
    assert contents(folder) == before
    assert not hub.content.repos
    assert not hub.asked("POST")


def test_private_branch_tag_message(hub: LoopbackHub, folder: Path, to: Any, of: Any) -> None:
    result = push(folder, NAME, private=True, revision="trial", tag="v1", commit_message="first try", **to)
    repo = hub.repo(NAME)
    assert repo.private
    assert repo.refs["trial"] == repo.refs["v1"] == result.commit
    assert repo.refs["main"] != result.commit
    assert repo.messages[-1] == "first try"
    assert pull(NAME, revision="v1", **of).revision == result.commit
    with pytest.raises(HubError, match="no such repository, or it is private"):
        pull(NAME, **{**of, "token": "hf_bob"})


def test_a_pull_request(hub: LoopbackHub, folder: Path, to: Any) -> None:
    push(folder, NAME, **to)
    before = hub.repo(NAME).refs["main"]
    result = push(folder, NAME, create_pr=True, license="apache-2.0", **to)
    assert result.pull_request == f"{hub.endpoint}/{NAME}/discussions/1"
    assert hub.repo(NAME).refs["main"] == before
    assert b"apache-2.0" in held(hub, "refs/pr/1")["README.md"]
    with pytest.raises(UsageError, match="cannot be tagged"):
        push(folder, NAME, create_pr=True, tag="v1", **to)


def test_a_binder_of_unknown_licence_is_not_pushed_until_somebody_names_one(
    hub: LoopbackHub, binder: anybind.Binder, tmp_path: Path, to: Any
) -> None:
    plain = anybind.Binder.from_pretrained(binder.save_pretrained(tmp_path / "first"))
    plain.licence = None
    folder = plain.save_pretrained(tmp_path / "plain")
    with pytest.raises(UsageError, match="licences") as caught:
        push(folder, NAME, **to)
    assert "the licence of vectors of a is not known" in str(caught.value.got)
    assert "--license" in str(caught.value.hint)
    assert not hub.log
    push(folder, NAME, license="cc-by-nc-4.0", **to)
    assert b"license: cc-by-nc-4.0" in held(hub)["README.md"]
    assert anybind.Binder.from_pretrained(folder).licence == "cc-by-nc-4.0"
    push(folder, NAME, **to)  # it is known from now on


def test_the_binders_own_push(hub: LoopbackHub, binder: anybind.Binder, to: Any, of: Any) -> None:
    result = binder.push_to_hub(NAME, license="mit", **to)
    assert anybind.Binder.from_pretrained(NAME, revision=result.commit, **of).dims == binder.dims


def test_only_an_artifact_is_pushed(hub: LoopbackHub, folder: Path, to: Any) -> None:
    (folder / "secrets.txt").write_text("never")
    push(folder, NAME, **to)
    assert "secrets.txt" not in held(hub)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="damaged"):
        push(folder, NAME, **to)
    with pytest.raises(ArtifactError, match="no saved binder"):
        push(folder.parent / "nowhere", NAME, **to)
