"""A question to a daemon of Open vSwitch or OVN, through its socket."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Sequence

from cloudwright.errors import HostError
from cloudwright.transport.host import Host

CHUNK = 65536
LIMIT = 1 << 20
"""Bytes of the longest answer that is read."""


async def call(host: Host, path: str, method: str, params: Sequence[object] = ()) -> object:
    """The result of one JSON-RPC 1.0 call to who listens at `path` of the host, as RFC 7047
    (section 4) and unixctl have it: objects follow each other on the connection without any frame.

    Raises HostError where nobody answers, with the daemon's words for an error, and for an answer
    that is none. It waits for as long as the caller lets it.
    """
    question = {"id": 0, "method": method, "params": list(params)}
    try:
        reader, writer = await asyncio.open_unix_connection(await host.unix_socket(path))
        try:
            writer.write(json.dumps(question).encode())
            answer = await _answer(reader)
        finally:
            writer.close()
    except OSError as error:
        what = f"{path} does not answer: {error.strerror or error}"
        raise HostError(what, where=host.name) from error
    if answer is None or answer.get("error"):
        why = str(answer["error"]).strip() if answer else "no JSON"
        raise HostError(f"{path} answers to {method}: {why}", where=host.name)
    return answer.get("result")


async def _answer(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """The first object that is an answer: a database's server also asks whether we live. None for
    what can be none any more."""
    decoder, text = json.JSONDecoder(), ""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    while len(text) < LIMIT:
        chunk = await reader.read(CHUNK)
        if not chunk:
            raise ConnectionError("it hung up")
        text += utf8.decode(chunk)
        while text := text.lstrip():
            try:
                found, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break  # not whole yet, or never
            if isinstance(found, dict) and "method" not in found:
                return found
            text = text[end:]
    return None
