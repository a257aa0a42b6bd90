"""Wait until what a service needs takes connections, so that a cold host comes up in any order."""

import json
import os
import socket
import sys
import time

PAUSE = 0.1
"""Seconds between two tries: short beside any service's own start."""

SECONDS = 600
"""How long to wait altogether, unless KOLLA_WAIT_SECONDS says otherwise."""


def wait(path: str) -> None:
    """Return when each {"address", "port"} of the file at `path` was connected to once.

    One with a "path" must say 200 to it over plain HTTP. One with "most" is waited for so many
    seconds, and then it is done without. Exits with 1 when the time of another is over, so that
    the engine starts the container again.
    """
    with open(path, encoding="utf-8") as file:
        targets = json.load(file)
    end = time.monotonic() + float(os.environ.get("KOLLA_WAIT_SECONDS", SECONDS))
    for entry in targets:
        most = int(entry.get("most", 0))
        last = min(end, time.monotonic() + most) if most else end
        found = _wait_for(str(entry["address"]), int(entry["port"]), entry.get("path", ""), last)
        if not found and not most:
            sys.exit(1)


def _wait_for(address: str, port: int, path: str, end: float) -> bool:
    began = time.monotonic()
    said = False
    while True:
        try:
            _ask(address, port, path)
        except OSError as error:
            why = error.strerror or str(error)
        else:
            if said:
                print(f"wait: {address}:{port} answers after {time.monotonic() - began:.1f} s")
            return True
        if not said:
            print(f"wait: for {address}:{port} ({why})", flush=True)
            said = True
        if time.monotonic() > end:
            print(f"wait: gave up on {address}:{port} ({why})", flush=True)
            return False
        time.sleep(PAUSE)


def _ask(address: str, port: int, path: str) -> None:
    """Raises OSError when nobody listens there, or who does says anything but 200 to `path`."""
    with socket.create_connection((address, port), timeout=2) as connection:
        if not path:
            return
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        if b" 200 " not in connection.recv(64):
            raise OSError(f"{path} is not ready")
