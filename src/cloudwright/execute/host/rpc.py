"""A question to a daemon of Open vSwitch or OVN, through its socket."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Sequence
from pathlib import Path

from cloudwright.errors import StepFailed

CHUNK = 65536
LIMIT = 1 << 20
"""Bytes of the longest answer that is read."""


async def call(socket: Path, method: str, params: Sequence[str] = ()) -> object:
    """The result of one JSON-RPC 1.0 call, as RFC 7047 (section 4) and unixctl have it: objects
    follow each other on the connection without any frame.

    Raises OSError where nobody answers, and StepFailed with the daemon's words for an error or an
    answer that is none. It waits for as long as the caller lets it.
    """
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(json.dumps({"id": 0, "method": method, "params": list(params)}).encode())
        answer = await _answer(reader)
    finally:
        writer.close()
    if error := answer.get("error"):
        raise StepFailed(f"{method}: {error}".strip())
    return answer.get("result")


async def _answer(reader: asyncio.StreamReader) -> dict[str, object]:
    """The first object that is an answer: a database's server also asks whether we live."""
    decoder, text = json.JSONDecoder(), ""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    while len(text) < LIMIT:
        chunk = await reader.read(CHUNK)
        if not chunk:
            raise ConnectionError("nobody answers")
        text += utf8.decode(chunk)
        while text := text.lstrip():
            try:
                found, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break  # not whole yet, or never
            if isinstance(found, dict) and "method" not in found:
                return found
            text = text[end:]
    raise StepFailed("what it answers is no JSON")
