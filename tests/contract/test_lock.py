"""The lock over a real SSH connection: what the scratch folders of the simulation promised."""

from __future__ import annotations

import asyncio
import gzip
import stat
from pathlib import Path

import pytest

from cloudwright.errors import Locked
from cloudwright.execute.journal.journal import JOURNAL
from cloudwright.execute.lock.changing import changing, noted, refuse_if_held
from cloudwright.execute.lock.decide import Unknown
from cloudwright.execute.lock.ledger import Ledger, Page
from cloudwright.transport.ssh import connect_ssh
from tests.contract import sshd
from tests.simulated.ledgers import record, silent

pytestmark = pytest.mark.skipif(bool(sshd.missing()), reason=sshd.missing())


def test_two_operators_over_ssh(tmp_path: Path) -> None:
    """One holds, the other is refused, then has its turn; record and journal are on the host."""
    directory = tmp_path / "on the host" / "ledger"  # a blank in a path is no trouble either

    async def story(server: sshd.Sshd) -> None:
        first, second = [await connect_ssh(n, server.address()) for n in ("alice", "bob")]
        ours = Ledger(hosts={"ctl": first}, directory=str(directory))
        theirs = Ledger(hosts={"ctl": second}, directory=str(directory))
        assert await ours.peek() == {"ctl": Page()}
        async with changing(ours, record("a"), tmp_path / "alice", silent) as change:
            with pytest.raises(Locked) as caught:
                async with changing(theirs, record("b"), tmp_path / "bob", silent):
                    raise AssertionError("alice has it")
            assert caught.value.exit_code == 5
            with pytest.raises(Locked):
                refuse_if_held(await theirs.peek())
            (change.directory / JOURNAL).write_bytes(bytes(range(256)) * 4000)
        assert gzip.decompress(await theirs.journal(change.record.run) or b"") == (
            bytes(range(256)) * 4000
        )
        assert await theirs.journal("another") is None
        async with changing(theirs, record("b"), tmp_path / "bob", silent):
            pass
        for run in (record("a").run, "another"):  # it is not even read where it is not wanted
            pages = await theirs.add_journal(run, bytes(range(256)) * 4000)
            assert pages == {"ctl": Page()}
        assert await theirs.journal("another") is None
        async with noted(ours, record("c"), tmp_path / "alice", silent):
            assert isinstance((await theirs.to_disk())["ctl"], Unknown)  # nobody has the lock
        kept = await theirs.records()
        assert [line.count('"done"') for line in str(kept["ctl"]).splitlines()] == [2, 2, 2]
        await asyncio.gather(first.close(), second.close())

    with sshd.running(tmp_path) as server:
        asyncio.run(story(server))
    modes = {stat.S_IMODE(f.stat().st_mode) for f in directory.rglob("*") if f.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
