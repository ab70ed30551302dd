"""A Hugging Face Hub on loopback: two origins, as the real one has, and faults on demand.

The hub itself answers on 127.0.0.1, the storage of large files on localhost. Clients follow redirects within one
origin on their own; and a token that reached the storage would show in the log.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hub_repositories import File, Repositories, Repository
from loopback_http import Handler, Request, StorageHandler

LARGE = 1000  # bytes; what is larger, or ends in .safetensors, goes to the storage
_MULTIPART = 100_000  # objects above this are uploaded in parts


class LoopbackHub:
    """Start it with ``with``; give its ``endpoint`` to clients."""

    handler: type[HubHandler]

    def __init__(self) -> None:
        self.content = Repositories(tokens={"hf_alice": "alice", "hf_bob": "bob"})
        self.log: list[Request] = []
        self.faults: list[Callable[[Request], Any]] = []
        self.multipart_above = _MULTIPART
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> LoopbackHub:
        self._servers = [self._server("127.0.0.1", self.handler), self._server("localhost", StorageHandler)]
        self.endpoint, self.storage = (f"http://{s.server_address[0]}:{s.server_address[1]}" for s in self._servers)
        self.storage = f"http://localhost:{self._servers[1].server_address[1]}"
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop answering, also on connections that are kept alive."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def repo(self, name: str) -> Repository:
        return self.content.repos[name]

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repo = self.repo(name)
        return {path: file.content for path, file in repo.commits[repo.refs[revision]].items()}

    def put(self, name: str, **files: bytes) -> None:
        """Change files of a repository behind every client's back."""
        repo = self.repo(name)
        kept = dict(repo.commits[repo.refs["main"]])
        repo.commit("main", kept | {path: File(content, lfs=False) for path, content in files.items()}, "behind")

    def fail(self, method: str, path: str, action: Any, times: int = 1) -> None:
        """Answer the next requests that match with a status, "drop", or what a function makes of the content."""
        left = [times]

        def fault(request: Request) -> Any:
            if left[0] and request.method == method and re.search(path, request.path):
                left[0] -= 1
                return action
            return None

        self.faults.append(fault)

    def asked(self, method: str = "", path: str = "") -> list[Request]:
        return [r for r in self.log if r.method.startswith(method) and re.search(path, r.path)]

    def _server(self, host: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        bound = type(handler.__name__, (handler,), {"hub": self})
        server = ThreadingHTTPServer((host, 0), bound)
        server.daemon_threads = True
        return server


class HubHandler(Handler):
    """The hub's own API."""

    origin = "hub"

    def serve(self) -> None:
        for method, pattern, act in _ROUTES:
            found = re.fullmatch(pattern, self.route)
            if found and self.command in method:
                getattr(self, act)(*found.groups())
                return
        self.refuse(404, "", f"no such page: {self.command} {self.route}")

    @property
    def user(self) -> str | None:
        return self.hub.content.tokens.get(self.asked.token or "")

    def readable(self, name: str) -> Repository | None:
        """The repository, where the one who asks may read it; else the refusal is sent."""
        repo = self.hub.content.repos.get(name)
        if self.asked.token and self.user is None:
            self.refuse(401, "", "Invalid username or password.")
        elif repo is None or (repo.private and self.user != name.split("/")[0]):
            self.refuse(404 if self.user else 401, "RepoNotFound", "Repository not found")
        elif repo.gated and self.user != name.split("/")[0]:
            self.refuse(403, "GatedRepo", "Access to this model is restricted")
        else:
            return repo
        return None

    def writable(self, name: str) -> Repository | None:
        repo = self.readable(name)
        if repo is not None and self.user != name.split("/")[0]:
            self.refuse(403 if self.user else 401, "", "You don't have the rights to write to this repository")
            return None
        return repo

    def whoami(self) -> None:
        if self.user is None:
            self.refuse(401, "", "Invalid username or password.")
        else:
            self.json(200, {"type": "user", "name": self.user, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def create(self) -> None:
        told = json.loads(self.body)
        owner = told.get("organization") or self.user
        name = f"{owner}/{told['name']}"
        if self.user is None:
            self.refuse(401, "", "Invalid username or password.")
        elif owner != self.user:
            self.refuse(403, "", f"You don't have the rights to create a model under the namespace {owner!r}")
        elif name in self.hub.content.repos:
            self.json(409, {"error": "You already created this model repo", "url": f"{self.hub.endpoint}/{name}"})
        else:
            private = told.get("visibility") == "private" or bool(told.get("private"))
            self.hub.content.repos[name] = Repository(private=private)
            self.json(200, {"url": f"{self.hub.endpoint}/{name}", "name": name, "id": name})

    def validate_yaml(self) -> None:
        import yaml

        head = json.loads(self.body)["content"].split("---\n")[1:2]
        try:
            data = yaml.safe_load(head[0]) if head else {}
            errors = [] if isinstance(data, dict) else [{"message": "the metadata is no mapping"}]
        except yaml.YAMLError as error:
            errors = [{"message": str(error)}]
        self.json(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, name: str, revision: str) -> None:
        repo = self.writable(name)
        if repo is None:
            return
        there = repo.commits.get(repo.resolve(revision) or "", {})
        files = []
        for each in json.loads(self.body)["files"]:
            large = each["path"].endswith(".safetensors") or each["size"] > LARGE * 1000
            entry = {"path": each["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if each["path"] in there:
                entry["oid"] = there[each["path"]].etag
            files.append(entry)
        self.json(200, {"files": files, "commitOid": repo.resolve(revision)})

    def lfs_batch(self, name: str) -> None:
        if self.writable(name) is None:
            return
        told = json.loads(self.body)
        objects = [self._upload(each, "multipart" in told.get("transfers", [])) for each in told["objects"]]
        multipart = any("chunk_size" in o.get("actions", {}).get("upload", {}).get("header", {}) for o in objects)
        self.json(200, {"transfer": "multipart" if multipart else "basic", "objects": objects})

    def _upload(self, each: dict[str, Any], multipart: bool) -> dict[str, Any]:
        oid, size = each["oid"], each["size"]
        if oid in self.hub.content.objects:
            return {"oid": oid, "size": size}
        href = f"{self.hub.storage}/objects/{oid}"
        upload: dict[str, Any] = {"href": href}
        if multipart and size > self.hub.multipart_above:
            chunk = self.hub.multipart_above
            parts = {f"{i + 1:05}": f"{href}?part={i + 1}" for i in range(-(-size // chunk))}
            upload = {"href": href, "header": {"chunk_size": str(chunk), **parts}}
        verify = {"href": f"{self.hub.endpoint}/verify/{oid}"}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def verify(self, oid: str) -> None:
        content = self.hub.content.objects.get(oid, b"")
        right = hashlib.sha256(content).hexdigest() == oid
        self.json(200 if right else 400, {} if right else {"error": "the object is not whole"})

    def commit(self, name: str, revision: str) -> None:
        repo = self.writable(name)
        if repo is None:
            return
        branch, extra = revision, {}
        if self.query.get("create_pr") == ["1"]:
            number = 1 + sum(ref.startswith("refs/pr/") for ref in repo.refs)
            branch = f"refs/pr/{number}"
            repo.refs[branch] = repo.refs[revision]
            extra = {"pullRequestUrl": f"{self.hub.endpoint}/{name}/discussions/{number}"}
        if branch not in repo.refs:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {branch}")
            return
        status, told = self.hub.content.apply(name, branch, self.body)
        if status != 200:
            self.refuse(status, "", told["error"])
            return
        url = f"{self.hub.endpoint}/{name}/commit/{told['commitOid']}"
        self.json(200, {"success": True, "commitUrl": url, "hookOutput": "", **told, **extra})

    def info(self, name: str, revision: str = "main") -> None:
        repo = self.readable(name)
        if repo is None:
            return
        commit = repo.resolve(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        siblings = [{"rfilename": path} for path in repo.commits[commit]]
        self.json(200, {"id": name, "modelId": name, "sha": commit, "private": repo.private, "gated": repo.gated,
                        "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings,
                        "createdAt": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z"})  # fmt: skip

    def tree(self, name: str, revision: str) -> None:
        repo = self.readable(name)
        if repo is None:
            return
        commit = repo.resolve(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        entries = []
        for path, file in repo.commits[commit].items():
            entry: dict[str, Any] = {"type": "file", "oid": file.git_sum, "size": len(file.content), "path": path}
            if file.lfs:
                entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}
                entry |= self.listed(file)
            entries.append(entry)
        self.json(200, entries)

    def set_ref(self, name: str, kind: str, ref: str) -> None:
        repo = self.writable(name)
        if repo is None:
            return
        told = json.loads(self.body or b"{}")
        new, start = (told["tag"], ref) if kind == "tag" else (ref, told.get("startingPoint") or "main")
        commit = repo.resolve(start)
        if new in repo.refs:
            self.refuse(409, "", f"the reference {new} exists")
        elif commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {start}")
        else:
            repo.refs[new] = commit
            self.json(200, {})

    def refs(self, name: str) -> None:
        repo = self.readable(name)
        if repo is not None:
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.refs["main"]}]
            self.json(200, {"branches": branches, "converts": [], "tags": []})

    def listed(self, file: File) -> dict[str, str]:
        """What else the tree says of a large file; for hubs of other protocols."""
        return {}

    def linked(self, name: str, commit: str, file: File) -> dict[str, str]:
        """What else the headers say of a large file."""
        return {}

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.readable(name)
        if repo is None:
            return
        commit = repo.resolve(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        file = repo.commits[commit].get(path)
        if file is None:
            self.refuse(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
        elif file.lfs:
            self.hub.content.objects[file.sha256] = file.content
            place = f"{self.hub.storage}/objects/{file.sha256}"
            self.send(302, b"", X_Repo_Commit=commit, X_Linked_Etag=f'"{file.sha256}"',
                      X_Linked_Size=str(len(file.content)), Location=place,
                      **self.linked(name, commit, file))  # fmt: skip
        else:
            content = self.action(file.content) if callable(self.action) else file.content
            self.send_range(content, X_Repo_Commit=commit, ETag=f'"{file.git_sum}"')


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES: list[tuple[tuple[str, ...], str, str]] = [
    (("GET",), "/api/whoami-v2", "whoami"),
    (("POST",), "/api/repos/create", "create"),
    (("POST",), "/api/validate-yaml", "validate_yaml"),
    (("POST",), rf"/api/models/{_NAME}/preupload/(.+)", "preupload"),
    (("POST",), rf"/{_NAME}\.git/info/lfs/objects/batch", "lfs_batch"),
    (("POST",), r"/verify/(\w+)", "verify"),
    (("POST",), rf"/api/models/{_NAME}/commit/(.+)", "commit"),
    (("POST",), rf"/api/models/{_NAME}/(tag|branch)/(.+)", "set_ref"),
    (("GET",), rf"/api/models/{_NAME}/revision/(.+)", "info"),
    (("GET",), rf"/api/models/{_NAME}/tree/([^/]+)(?:/.*)?", "tree"),
    (("GET",), rf"/api/models/{_NAME}/refs", "refs"),
    (("GET",), rf"/api/models/{_NAME}", "info"),
    (("GET", "HEAD"), rf"/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
]
LoopbackHub.handler = HubHandler
