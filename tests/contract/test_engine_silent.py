"""An engine that takes connections and says nothing is not waited for as one that works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloudwright.engine import http
from cloudwright.errors import EngineError

pytestmark = pytest.mark.filterwarnings("error")


def test_an_engine_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PING_SECONDS", 0.2)
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.read()  # until the other side gives up
        writer.close()

    async def look() -> None:
        async with await asyncio.start_unix_server(listen, tmp_path / "engine.sock"):
            await http.open_engine("ctl-1", tmp_path / "engine.sock")

    with pytest.raises(EngineError, match="the engine did not answer GET /_ping") as caught:
        asyncio.run(asyncio.wait_for(look(), http.ANSWER_SECONDS / 2))
    assert caught.value.where == "ctl-1"
    assert asked
    assert asked[0].startswith(b"GET /")
