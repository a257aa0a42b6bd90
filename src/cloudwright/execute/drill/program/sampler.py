"""Tries to write a row in the member of this host, twice a second, and notes what came of it.

Runs inside the member's container and goes on by itself: who watches may be cut off from it. The
first line of its standard input is the password; its arguments are the host's name, the database,
the user, the file of its notes, and for how many seconds to go on. A line of the notes: begin and
end (seconds since 1970), the row's number, 1 if the row was taken, the view. What has no space on
the disk is noted when there is some again.
"""

from __future__ import annotations

import io
import os
import sys
import time

import pymysql

EVERY_SECONDS = 0.5
SOCKET = "/run/mysqld/mysqld.sock"


def main() -> None:
    """Leave whoever started us, then sample."""
    host, database, user, notes, seconds = sys.argv[1:6]
    password = sys.stdin.readline().rstrip("\n")
    if os.fork():
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    last = time.time() + float(seconds)
    number, connection, unnoted = 0, None, b""
    with open(notes, "wb", buffering=0) as file:
        while time.time() < last and os.path.exists(notes):
            number += 1
            began = time.time()
            try:
                if connection is None:
                    connection = pymysql.connect(
                        unix_socket=SOCKET,
                        user=user,
                        password=password,
                        database=database,
                        autocommit=True,
                        connect_timeout=1,
                        read_timeout=2,
                    )
                before = view(connection)
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO sampled VALUES (%s, %s)", (host, number))
                taken = True
            except (pymysql.MySQLError, OSError):
                connection, before, taken = None, "", False
            ended = time.time()
            # One that changed meanwhile says nothing of who agreed to the row.
            same = taken and view_or_nothing(connection) == before
            known = before if same else ""
            line = f"{began:.3f} {ended:.3f} {number} {int(taken)} {known}\n"
            unnoted = note(file, unnoted + line.encode())
            time.sleep(max(0.0, EVERY_SECONDS - (time.time() - began)))


def note(file: io.FileIO, text: bytes) -> bytes:
    """Write it down; what had no space is returned."""
    try:
        return text[file.write(text) or 0 :]
    except OSError:
        return text


def view(connection: pymysql.Connection) -> str:
    """The members that this one is together with."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_incoming_addresses'")
        row = cursor.fetchone()
    return str(row[1]).replace(" ", "") if row else ""


def view_or_nothing(connection: pymysql.Connection | None) -> str:
    """The same, empty when the server is gone."""
    try:
        return view(connection) if connection else ""
    except (pymysql.MySQLError, OSError):
        return ""


if __name__ == "__main__":
    main()
