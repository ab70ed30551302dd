"""What a hub keeps: repositories with branches, tags and commits of files. No HTTP here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class File:
    """A file of a commit; large ones are kept apart, by their sha256."""

    content: bytes
    lfs: bool

    @property
    def git_sum(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sum


@dataclass
class Repository:
    """One model repository."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Mapping[str, File]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": File(b"*.safetensors filter=lfs\n", lfs=False)}, "initial commit")

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, tag, pull request or (shortened) commit."""
        if revision in self.refs:
            return self.refs[revision]
        return revision if revision in self.commits else None

    def commit(self, branch: str, files: Mapping[str, File], message: str) -> str:
        parent = self.refs.get(branch, "")
        told = f"{len(self.commits)} {parent} {message} {sorted((n, f.sha256) for n, f in files.items())}"
        name = hashlib.sha1(told.encode()).hexdigest()
        self.commits[name], self.refs[branch] = dict(files), name
        self.messages.append(message)
        return name


@dataclass
class Repositories:
    """All repositories of a hub, and the large files that were uploaded."""

    tokens: dict[str, str] = field(default_factory=dict)
    repos: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    def apply(self, name: str, branch: str, body: bytes, parent_wanted: bool = True) -> tuple[int, dict[str, Any]]:
        """Do what the lines of a commit ask: the status, and the commit or the fault."""
        repo = self.repos[name]
        files = dict(repo.commits[repo.refs[branch]])
        message = ""
        for line in _lines(body):
            kind, value = line["key"], line["value"]
            if kind == "header":
                message = value["summary"]
                parent = value.get("parentCommit")
                if parent_wanted and parent is not None and parent != repo.refs[branch]:
                    return 412, {"error": "A commit has happened since. Please refresh and try again."}
            elif kind == "file":
                import base64

                files[value["path"]] = File(base64.b64decode(value["content"]), lfs=False)
            elif kind == "lfsFile":
                if value["oid"] not in self.objects:
                    return 400, {"error": f"the object {value['oid']} was not uploaded"}
                files[value["path"]] = File(self.objects[value["oid"]], lfs=True)
            elif kind == "deletedFile":
                files.pop(value["path"], None)
            else:
                return 400, {"error": f"unknown line {kind}"}
        return 200, {"commitOid": repo.commit(branch, files, message)}


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.decode().splitlines():
        if line.strip():
            yield json.loads(line)
