"""The first words of a server behind a WebSocket over TLS, as RFC 6455 frames them."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

SECONDS = 60.0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY = 0x82
"""A whole message of bytes."""


def console_path(url: str) -> str:
    """Where noVNC connects to: its page's address names the path, with the token."""
    return "/" + parse_qs(urlsplit(url).query)["path"][0].lstrip("/")


def first_message(url: str, path: str, ca: Path) -> bytes:
    """What the server at the host of `url` says first, once it has agreed to the upgrade."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    trust = ssl.create_default_context(cafile=str(ca))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: https://{host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: binary",
        f"Sec-WebSocket-Key: {key}",
    )
    with (
        socket.create_connection((host, port), SECONDS) as raw,
        trust.wrap_socket(raw, server_hostname=host) as tls,
        tls.makefile("rb") as answer,
    ):
        tls.sendall("\r\n".join((*lines, "", "")).encode())
        status = answer.readline().decode()
        headers = dict(_headers(answer))
        assert status.split()[1] == "101", (status, headers)
        agreed = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest()).decode()
        assert headers["sec-websocket-accept"] == agreed
        kind, length = answer.read(2)
        assert (kind, length < 126) == (BINARY, True), (kind, length)
        return answer.read(length)


def _headers(answer: BinaryIO) -> list[tuple[str, str]]:
    found = []
    while line := answer.readline().decode().strip():
        name, _, value = line.partition(":")
        found.append((name.lower(), value.strip()))
    return found
