"""A hub that stores large files with xet: the real client cuts, uploads and rebuilds them, in a folder.

``hf_xet`` keeps its storage in a folder where it is given ``local://`` as the storage's address. That is not
documented; ``works`` tells whether it does so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from struct import iter_unpack, unpack_from

from hub_repositories import File
from loopback_hub import HubHandler, LoopbackHub

_ENTRY = 48  # bytes of the header of a shard, and of everything in it
_VERIFIED, _DESCRIBED = 1 << 31, 1 << 30
_TOKEN = re.compile(r"/api/models/([\w.-]+/[\w.-]+)/xet-(read|write)-token/(.+)")


def stored_files(shard: bytes) -> Iterator[tuple[str, str, int]]:
    """(sha256, xet hash, size) of the files that a shard describes."""
    at = _ENTRY
    while (xet_hash := shard[at : at + 32]) != b"\xff" * 32:
        flags, parts = unpack_from("<II", shard, at + 32)
        at += _ENTRY
        size = sum(unpack_from("<I", shard, at + i * _ENTRY + 36)[0] for i in range(parts))
        at += parts * _ENTRY * (2 if flags & _VERIFIED else 1)
        if flags & _DESCRIBED:
            yield hexadecimal(shard[at : at + 32]), hexadecimal(xet_hash), size
            at += _ENTRY


def hexadecimal(hash_: bytes) -> str:
    """A hash as xet writes it: four numbers of 64 bits, each little-endian."""
    return "".join(f"{number:016x}" for (number,) in iter_unpack("<Q", hash_))


class XetHub(LoopbackHub):
    """A hub whose storage is the folder ``storage_folder``."""

    def __init__(self, storage_folder: Path) -> None:
        super().__init__()
        self.address = f"local://{storage_folder}"
        self.folder = storage_folder
        self.hashes: dict[str, str] = {}

    def take_in(self) -> None:
        """Learn of what was uploaded since the last time."""
        for shard in self.folder.rglob("*.mdb"):
            for sha256, xet_hash, size in stored_files(shard.read_bytes()):
                if sha256 not in self.hashes:
                    self.content.objects[sha256] = rebuilt(self.address, xet_hash, size, self.folder / "rebuilt")
                    self.hashes[sha256] = xet_hash


def uploaded(address: str, content: bytes) -> str:
    """Store content; its xet hash."""
    from hf_xet import COMPUTE_SHA256, XetSession

    with XetSession().new_upload_commit(endpoint=address) as commit:
        handle = commit.start_upload_bytes(content, sha256=COMPUTE_SHA256)
    return str(handle.result().xet_info.hash)


def rebuilt(address: str, xet_hash: str, size: int, to: Path) -> bytes:
    """A stored file's content."""
    from hf_xet import XetFileInfo, XetSession

    with XetSession().new_file_download_group(endpoint=address) as group:
        group.start_download_file(XetFileInfo(xet_hash, size), str(to))
    content = to.read_bytes()
    to.unlink()
    return content


class XetHandler(HubHandler):
    """The hub's API with what xet adds to it."""

    hub: XetHub

    def serve(self) -> None:
        asked = _TOKEN.fullmatch(self.route)
        if asked is None:
            super().serve()
        elif (self.writable if asked[2] == "write" else self.readable)(asked[1]) is not None:
            expiry = int(time.time()) + 3600
            told = {"casUrl": self.hub.address, "accessToken": "xet", "exp": expiry}
            self.json(200, told, X_Xet_Cas_Url=self.hub.address, X_Xet_Access_Token="xet",
                      X_Xet_Token_Expiration=str(expiry))  # fmt: skip

    def commit(self, name: str, revision: str) -> None:
        self.hub.take_in()
        super().commit(name, revision)

    def listed(self, file: File) -> dict[str, str]:
        return {"xetHash": self.hub.hashes[file.sha256]} if file.sha256 in self.hub.hashes else {}

    def linked(self, name: str, commit: str, file: File) -> dict[str, str]:
        if file.sha256 not in self.hub.hashes:
            return {}
        refresh = f"{self.hub.endpoint}/api/models/{name}/xet-read-token/{commit}"
        return {"X_Xet_Hash": self.hub.hashes[file.sha256], "Link": f'<{refresh}>; rel="xet-auth"'}


XetHub.handler = XetHandler
