"""Pushing: a saved binder's folder as one commit of a repository, which then holds what the folder holds."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

from anybind.artifact import CONFIG, FILES, Saved
from anybind.errors import HubError, UsageError
from anybind.hub.client import NOT_THERE, api, persistent, status, talking_to_the_hub
from anybind.hub.finishing import finish
from anybind.hub.names import require_name
from anybind.hub.pulling import git_sum
from anybind.provenance import combined_licence, local_paths

Operation = CommitOperationAdd | CommitOperationDelete

MAIN = "main"


@dataclass(frozen=True)
class PushResult:
    """What a push did, or would do.

    Attributes:
        repo_id: ``owner/name``.
        url: The repository's page.
        revision: The branch it went to.
        commit: The commit that now holds the folder; None for a dry run.
        uploaded: Files that were new or changed.
        deleted: Files of an earlier binder that the folder does not have.
        pull_request: The page of the pull request, if one was made.
        tag: The tag that was set.
        dry_run: True when nothing was sent.
        notes: What the user should know.
    """

    repo_id: str
    url: str
    revision: str
    commit: str | None
    uploaded: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    pull_request: str | None = None
    tag: str | None = None
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        """Whether the repository held the same already, so that no commit was made."""
        return not self.uploaded and not self.deleted

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {**asdict(self), "unchanged": self.unchanged}


def push(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    tag: str | None = None,
    license: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    dry_run: bool = False,
) -> PushResult:
    """Upload a saved binder.

    The repository is made if it does not exist. One commit adds what differs and deletes what an earlier binder
    left; other files there stay. It is bound to the commit it was compared with: when somebody else pushes
    meanwhile, nothing is overwritten.

    Args:
        folder: What ``save_pretrained`` wrote.
        repo_id: ``owner/name``.
        private: Whether a new repository is private; the account's setting if None.
        revision: The branch, made from the main one if need be; the main one if None.
        create_pr: Propose the change as a pull request instead.
        commit_message: The commit's first line.
        tag: A name for the commit, e.g. v1.0.
        license: The licence it is passed on under, as the Hub names it; written into the folder too.
        token: As ``huggingface_hub`` takes it; the saved one if None.
        endpoint: Another Hub.
        dry_run: Only tell what would be done.

    Raises:
        UsageError: the name is none, a tag for a pull request, or no licence can be given without a person's decision.
        ArtifactError: the folder is no whole artifact.
        HubError: the Hub refuses or cannot be reached.
    """
    require_name(repo_id)
    if tag is not None and create_pr:
        raise UsageError("a pull request cannot be tagged", got=f"tag {tag}", hint="tag it when it is merged")
    with _workplace(Path(folder), dry_run) as place:
        saved = finish(place, repo_id, license)
        _require_licence(saved, Path(folder))
        contents = {name: (place / name).read_bytes() for name in (CONFIG, *saved.config.files)}
    hub, branch = api(endpoint, token), revision or MAIN
    with talking_to_the_hub(repo_id, revision):
        there = _remote(hub, repo_id, branch)
        adds, deletes = _changes(contents, there.files)
        planned = PushResult(
            repo_id, f"{hub.endpoint}/{repo_id}", branch, there.commit if not adds and not deletes else None,
            uploaded=tuple(adds), deleted=tuple(deletes), dry_run=dry_run, notes=_notes(saved),
        )  # fmt: skip
        if dry_run:
            return planned
        there = _prepared(hub, repo_id, branch, there, private)
        operations: list[Operation] = [CommitOperationAdd(name, contents[name]) for name in adds]
        operations += [CommitOperationDelete(name) for name in deletes]
        commit, pull_request = there.commit, None
        if operations:
            message = commit_message or f"{'Update' if there.files else 'Add'} a binder with anybind"
            commit, pull_request = _commit(hub, repo_id, operations, message, branch, there.commit, create_pr)
        if tag is not None:
            persistent(lambda: hub.create_tag(repo_id, tag=tag, revision=commit))
    return replace(planned, commit=commit, pull_request=pull_request, tag=tag)


@dataclass(frozen=True)
class _Remote:
    """A branch as it is: its commit (None without a repository) and its files with their sums."""

    commit: str | None
    files: Mapping[str, str]
    on_branch: bool = True


def _require_licence(saved: Saved, folder: Path) -> None:
    if saved.config.licence is not None:
        return
    found = combined_licence(saved.config.spaces, saved.config.training)
    if found.needs_decision:
        raise UsageError(
            "the licences of what this binder was made of do not say under which it may be passed on", where=folder,
            got="; ".join(found.reasons), expected="a licence that you name",
            hint="find out what the parts allow, then name it, e.g. --license cc-by-nc-4.0, or --license other",
        )  # fmt: skip


def _notes(saved: Saved) -> tuple[str, ...]:
    local = [
        f"space {name} was embedded with {option}, which others do not have: name weights and revision instead"
        for name, option in local_paths(saved.config.spaces).items()
    ]
    kept = ["moments.safetensors goes along: sums over the training data, which can tell of few rows"]
    return (*local, *(kept if saved.moments is not None else []))


@contextmanager
def _workplace(folder: Path, dry_run: bool) -> Iterator[Path]:
    """The folder, or a copy of it for a dry run, which changes nothing here either."""
    if not dry_run or not folder.is_dir():
        yield folder
        return
    with TemporaryDirectory() as copy:
        yield Path(shutil.copytree(folder, Path(copy) / "binder"))


def _remote(hub: HfApi, repo_id: str, branch: str) -> _Remote:
    """The branch; the main one where the branch does not exist yet; nothing where the repository does not."""
    try:
        return _Remote(*_listed(hub, repo_id, branch))
    except RevisionNotFoundError:
        if branch == MAIN:  # a repository without a commit
            return _Remote(None, {})
        return _Remote(*_listed(hub, repo_id, MAIN), on_branch=False)
    except NOT_THERE:
        return _Remote(None, {})


def _listed(hub: HfApi, repo_id: str, revision: str) -> tuple[str, dict[str, str]]:
    commit = str(persistent(lambda: hub.repo_info(repo_id, revision=revision).sha))
    entries = persistent(lambda: list(hub.list_repo_tree(repo_id, recursive=True, revision=commit)))
    files = {
        entry.path: entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
        for entry in entries if isinstance(entry, RepoFile)
    }  # fmt: skip
    return commit, files


def _changes(contents: Mapping[str, bytes], there: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Names to add and names to delete."""
    adds = [
        name for name, content in contents.items()
        if there.get(name) not in (git_sum(content), hashlib.sha256(content).hexdigest())
    ]  # fmt: skip
    return adds, [name for name in FILES if name in there and name not in contents]


def _prepared(hub: HfApi, repo_id: str, branch: str, there: _Remote, private: bool | None) -> _Remote:
    """Make the repository and the branch, as far as they are missing."""
    if there.commit is None:
        persistent(lambda: hub.create_repo(repo_id, private=private, exist_ok=True))
        there = _Remote(str(persistent(lambda: hub.repo_info(repo_id).sha)), {}, on_branch=branch == MAIN)
    if not there.on_branch:
        persistent(lambda: hub.create_branch(repo_id, branch=branch, exist_ok=True))
    return there


def _commit(
    hub: HfApi, repo_id: str, operations: Sequence[Operation], message: str, branch: str, parent: str | None,
    create_pr: bool,
) -> tuple[str, str | None]:  # fmt: skip
    """Commit, and try again where the Hub was busy: its answer may be lost after the commit was made."""

    def ask() -> tuple[str, str | None]:
        try:
            done = hub.create_commit(
                repo_id, operations, commit_message=message, revision=branch, create_pr=create_pr, parent_commit=parent
            )
        except HfHubHTTPError as error:
            if status(error) == 412 and not create_pr and _is_ours(hub, repo_id, branch, operations):
                return str(hub.repo_info(repo_id, revision=branch).sha), None
            raise
        return done.oid, done.pr_url

    commit, pull_request = persistent(ask)
    if not commit:
        raise HubError("the Hub did not say which commit it made", where=repo_id)
    return commit, pull_request


def _is_ours(hub: HfApi, repo_id: str, branch: str, operations: Sequence[Operation]) -> bool:
    """Whether the branch already holds what is to be committed: the commit was made, its answer was lost."""
    _, there = _listed(hub, repo_id, branch)
    contents = {
        each.path_in_repo: each.path_or_fileobj
        for each in operations if isinstance(each, CommitOperationAdd) and isinstance(each.path_or_fileobj, bytes)
    }  # fmt: skip
    return not _changes(contents, {name: there[name] for name in there if name in contents})[0]
