"""A user who is not root reaches root's sockets through a bridge that root keeps on the host."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex

from cloudwright.errors import Missing
from cloudwright.transport.lean_ssh import asyncssh

START_SECONDS = 20.0

# Every Debian and Ubuntu holds perl-base. The bridge lives as long as its standard input.
PROGRAM = r"""
use strict; use IO::Socket::UNIX; use IO::Select;
my ($listen, $target, $user) = @ARGV;
$SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = 'IGNORE';
umask 0077;
my $server = IO::Socket::UNIX->new(Local => $listen, Listen => 64) or die "listen: $!";
chown $user, -1, $listen or die "chown: $!";
$| = 1; print "ready\n";
my $events = IO::Select->new($server, \*STDIN);
sub pump { my ($from, $to) = @_; my $chunk;
  while (sysread $from, $chunk, 65536) { my $done = 0;
    while ($done < length $chunk) {
      my $sent = syswrite $to, $chunk, length($chunk) - $done, $done; last unless $sent;
      $done += $sent; } }
  shutdown $to, 1; }
while (1) { for my $ready ($events->can_read) {
  if ($ready != $server) { sysread STDIN, my $end, 1 or exit 0; next; }
  my $near = $server->accept or next;
  if (fork) { close $near; next; }
  close $server; close STDIN; close STDOUT;
  my $far = IO::Socket::UNIX->new(Peer => $target) or exit 1;
  if (my $child = fork) { pump($near, $far); waitpid $child, 0; } else { pump($far, $near); }
  exit 0; } }
"""


class Bridge:
    """One socket of root's, made reachable to one user while the connection lasts."""

    def __init__(self, path: str, process: asyncssh.SSHClientProcess[str]) -> None:
        self.path = path
        self._process = process

    async def close(self) -> None:
        """End the bridge; it removes what it made."""
        self._process.stdin.write_eof()
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            await asyncio.wait_for(self._process.wait_closed(), 2)
        self._process.close()


async def open_bridge(
    connection: asyncssh.SSHClientConnection, target: str, user: str, *, where: str
) -> Bridge:
    """Make `target` reachable to `user`, and to nobody else, at the bridge's own path.

    Raises Missing with what the host said when it cannot.
    """
    directory = f"/run/cloudwright-{secrets.token_hex(8)}"
    path = f"{directory}/socket"
    words = " ".join(shlex.quote(word) for word in (PROGRAM, path, target))
    script = (
        f"uid=$(id -u -- {shlex.quote(user)}) && mkdir -m 0700 {directory} && "
        f"trap 'rm -rf {directory}' EXIT && chown \"$uid\" {directory} && "
        f'perl -e {words} "$uid"'
    )
    process = await connection.create_process(f"exec sudo -n /bin/sh -c {shlex.quote(script)}")
    bridge = Bridge(path, process)
    try:
        answer = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        answer = ""
    if answer != "ready\n":
        process.stdin.write_eof()
        with contextlib.suppress(TimeoutError):
            said = await asyncio.wait_for(process.stderr.read(), 2)
            answer += said
        process.close()
        raise Missing(
            f"no way to {target} for {user}",
            where=where,
            why=answer.strip(),
            hint="install perl there, or log in as root",
        )
    return bridge
