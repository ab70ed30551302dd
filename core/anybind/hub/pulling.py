"""Pulling: a repository's artifact into the Hub's own cache, every file checked.

The revision is resolved once, so that all files are of one commit. What is in the cache already is not asked for
again: a whole commit hash that was pulled before loads without a network. The client checks sizes only; here every
file is compared with its sum, and fetched once more when it is damaged.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError

from anybind.artifact import CONFIG, parse_config
from anybind.errors import HubError
from anybind.hub.client import NOT_THERE, persistent, talking_to_the_hub, unreachable
from anybind.hub.names import require_name
from anybind.version import installed_version

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pulled:
    """An artifact in the cache.

    Attributes:
        folder: Where its files lie; they belong to the cache and must not be changed.
        revision: The commit it is of, 40 hexadecimal digits.
    """

    folder: Path
    revision: str


def pull(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> Pulled:
    """Fetch an artifact.

    Args:
        repo_id: ``owner/name``.
        revision: Branch, tag or commit; the main branch if None.
        token: As ``huggingface_hub`` takes it; the saved one if None.
        cache_dir: Where it is kept; the Hub's own cache if None.
        local_files_only: Look into the cache only.
        endpoint: Another Hub.

    Raises:
        UsageError: the name is none.
        HubError: there is no such repository or revision, it may not be read, nobody answers and the cache does
            not have it, or what came is damaged.
        ArtifactError: it is no binder, or one of a newer format.
    """
    require_name(repo_id)
    fetch = _Fetch(repo_id, token, str(cache_dir) if cache_dir else None, endpoint)
    asked = revision or constants.DEFAULT_REVISION
    with talking_to_the_hub(repo_id, revision):
        config = fetch.file(CONFIG, asked, local_files_only)  # its place in the cache names the commit
        names = parse_config(config).files
        files = [fetch.file(name, config.parent.name, local_files_only) for name in names]
    folder = config.parent
    for name, path in zip(names, files, strict=True):
        if path != folder / name:
            raise HubError("the cache holds files of several commits", where=folder, got=path)
    return Pulled(folder, folder.name)


@dataclass(frozen=True)
class _Fetch:
    repo_id: str
    token: str | None
    cache_dir: str | None
    endpoint: str | None

    def file(self, name: str, revision: str, local_only: bool) -> Path:
        """A file of the artifact in the cache, whole."""
        path = self._download(name, revision, local_only)
        if _is_whole(path):
            return path
        if not local_only:
            path = self._download(name, revision, False, again=True)
        if not _is_whole(path):
            raise HubError(
                "a file came damaged, twice", where=f"{self.repo_id} at {revision}: {name}",
                got=f"{path.stat().st_size} bytes of another sum",
                hint="try again later; if it stays so, the repository itself is damaged",
            )  # fmt: skip
        return path

    def _download(self, name: str, revision: str, local_only: bool, *, again: bool = False) -> Path:
        def ask(only: bool) -> Path:
            return Path(hf_hub_download(
                self.repo_id, name, revision=revision, cache_dir=self.cache_dir, token=self.token,
                endpoint=self.endpoint, local_files_only=only, force_download=again,
                library_name="anybind", library_version=installed_version(),
            ))  # fmt: skip

        if not again:  # what is there needs no question, where the commit is known
            try:
                if local_only or _COMMIT.fullmatch(revision):
                    return ask(True)
            except LocalEntryNotFoundError:
                if local_only:
                    raise
        try:
            return persistent(lambda: ask(False))
        except NOT_THERE:
            raise
        except Exception as error:
            if again or not unreachable(error):
                raise
            try:
                return ask(True)
            except LocalEntryNotFoundError:
                raise error from None


def _is_whole(path: Path) -> bool:
    """Whether a cached file has the sum that the cache knows it by: sha256 of a large file, git's of a small one."""
    # one link only: the blob it leads to may itself be a link, to a store of another naming
    sum_ = path.readlink().name if path.is_symlink() else path.name
    content = path.read_bytes()
    if re.fullmatch(r"[0-9a-f]{64}", sum_):
        return hashlib.sha256(content).hexdigest() == sum_
    if _COMMIT.fullmatch(sum_):
        return git_sum(content) == sum_
    return True  # another layout of the cache; the artifact's own sums are checked when it is read


def git_sum(content: bytes) -> str:
    """The name git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
