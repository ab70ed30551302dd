"""What the two origins of a hub on loopback share, and the storage of large files."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub


@dataclass(frozen=True)
class Request:
    """One line of the log."""

    origin: str
    method: str
    path: str
    token: str | None
    agent: str


class Handler(BaseHTTPRequestHandler):
    """What both origins share: the log, faults, and sending."""

    hub: LoopbackHub
    origin = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.hub._sockets.append(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError, OSError):
            self.close_connection = True

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self._chunks()
        parts = urlsplit(self.path)
        self.route, self.query = unquote(parts.path), parse_qs(parts.query)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.asked = Request(self.origin, self.command, unquote(self.path), token, self.headers.get("User-Agent", ""))
        self.hub.log.append(self.asked)
        self.action = next((a for fault in self.hub.faults if (a := fault(self.asked)) is not None), None)
        if self.action == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif isinstance(self.action, tuple):
            self.refuse(*self.action)
        elif isinstance(self.action, int):
            self.json(self.action, {"error": "as it was asked to"})
        else:
            self.serve()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def serve(self) -> None:
        raise NotImplementedError

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_range(self, content: bytes, **headers: str) -> None:
        """The content, or the part of it that a Range header asks for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None or int(asked[1]) >= len(content):
            self.send(200, content, **headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        part = f"bytes {first}-{last}/{len(content)}"
        self.send(206, content[first : last + 1], Content_Range=part, **headers)

    def json(self, status: int, value: Any, **headers: str) -> None:
        self.send(status, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        self.json(status, {"error": message}, X_Error_Code=code, X_Error_Message=message, **headers)


class StorageHandler(Handler):
    """Where large files lie: no token comes here."""

    origin = "storage"

    def serve(self) -> None:
        name = self.route.split("/")[2]
        objects = self.hub.content.objects
        if self.command == "PUT" and "part" in self.query:
            self.hub.content.objects[f"{name}-{int(self.query['part'][0]):05}"] = self.body
            self.send(200, b"", ETag=f'"part-{self.query["part"][0]}"')
        elif self.command == "PUT":
            objects[name] = self.body
            self.send(200, b"")
        elif self.command == "POST":  # all parts are there
            parts = sorted(key for key in objects if key.startswith(f"{name}-"))
            objects[name] = b"".join(objects.pop(key) for key in parts)
            self.json(200, {})
        else:
            self._content(objects[name])

    def _content(self, content: bytes) -> None:
        if self.action == "truncate":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if callable(self.action):
            content = self.action(content)
        self.send_range(content, ETag=f'"{self.route.split("/")[2]}"')
