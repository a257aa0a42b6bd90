"""Keystone's real application under each WSGI server: requests a second and CPU per request.

It needs a Python environment with keystone, uwsgi, granian, gunicorn and, where it still builds,
bjoern: `python benchmarks/wsgi.py /path/to/environment`. Keystone runs on SQLite with its cache in
memory; the load is token validation over 4 connections, on one worker of each server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PORT = 18999
SECONDS = 6
CONNECTIONS = 4
MODULE = "served:application"
# Keystone reads the command line as it is loaded, and would take a server's options for its own.
SERVED = "import sys\nsys.argv = sys.argv[:1]\nfrom keystone.wsgi.api import application\n"

SERVERS = {
    "uwsgi": "{bin}/uwsgi --http11-socket 127.0.0.1:{port} --module served"
    " --callable application --processes 1 --threads 8 --master --enable-threads"
    " --disable-logging --die-on-term --need-app --buffer-size 65535",
    "granian": "{bin}/granian --interface wsgi --port {port} --workers 1 --blocking-threads 8"
    " --no-access-log " + MODULE,
    "gunicorn": "{bin}/gunicorn --bind 127.0.0.1:{port} --workers 1 --threads 8"
    " --worker-class gthread --keep-alive 30 " + MODULE,
    "bjoern": '{bin}/python -c "import bjoern; from served import application;'
    " bjoern.run(application, '127.0.0.1', {port})\"",
}

AUTH = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {
                "user": {"name": "admin", "domain": {"id": "default"}, "password": "benchmark"}
            },
        },
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }
}


def main() -> int:
    """Measure each server and print a table."""
    environment = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        variables = prepare(environment, Path(folder))
        print(
            f"{'server':10} {'first answer s':>14} {'requests/s':>11} {'CPU ms/request':>15} "
            f"{'p50 ms':>7} {'p99 ms':>7} {'errors':>7} {'RSS MiB':>8}"
        )
        for name, command in SERVERS.items():
            print(
                measure(name, command.format(bin=environment / "bin", port=PORT), variables),
                flush=True,
            )
    return 0


def prepare(environment: Path, folder: Path) -> dict[str, str]:
    """A Keystone with an admin, and the variables that make a server use it."""
    for name in ("fernet", "credential"):
        (folder / name).mkdir(mode=0o700)
    (folder / "keystone.conf").write_text(
        f"[database]\nconnection = sqlite:///{folder}/keystone.db\n"
        f"[fernet_tokens]\nkey_repository = {folder}/fernet\n"
        f"[credential]\nkey_repository = {folder}/credential\n"
        "[cache]\nenabled = true\nbackend = dogpile.cache.memory\n[token]\ncaching = true\n"
    )
    (folder / "served.py").write_text(SERVED)
    variables = {
        **os.environ,
        "OS_KEYSTONE_CONFIG_DIR": str(folder),
        "PYTHONPATH": str(folder),
    }
    manage = [str(environment / "bin/keystone-manage"), "--config-dir", str(folder)]
    user = ["--keystone-user", "root", "--keystone-group", "root"]
    for words in (["db_sync"], ["fernet_setup", *user], ["credential_setup", *user]):
        subprocess.run([*manage, *words], check=True, env=variables, capture_output=True)
    subprocess.run(
        [*manage, "bootstrap"],
        check=True,
        env={**variables, "OS_BOOTSTRAP_PASSWORD": "benchmark"},
        capture_output=True,
    )
    return variables


def measure(name: str, command: str, variables: dict[str, str]) -> str:
    """One row: start the server, load it, end it."""
    began = time.monotonic()
    server = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        env=variables,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=None if "DEBUG" in os.environ else subprocess.DEVNULL,
    )
    try:
        token = first_token(server)
        ready = time.monotonic() - began
        before = cpu_seconds(server.pid)
        times, errors = load(token)
        used = cpu_seconds(server.pid) - before
        memory = resident(server.pid)
    except RuntimeError as err:
        return f"{name:10} {err}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    times.sort()
    return (
        f"{name:10} {ready:14.2f} {len(times) / SECONDS:11.0f} {1000 * used / len(times):15.2f} "
        f"{1000 * statistics.median(times):7.1f} {1000 * times[int(len(times) * 0.99)]:7.1f} "
        f"{errors:7d} {memory:8.0f}"
    )


def first_token(server: subprocess.Popen[bytes]) -> str:
    """A token, as soon as the server gives one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            connection.request(
                "POST", "/v3/auth/tokens", json.dumps(AUTH), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            if answer.status == 201:
                return answer.headers["X-Subject-Token"]
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    raise RuntimeError("did not start")


def load(token: str) -> tuple[list[float], int]:
    """Seconds of each validation, and how many failed, over CONNECTIONS kept-alive connections."""
    times: list[float] = []
    errors: list[int] = []
    end = time.monotonic() + SECONDS

    def client() -> None:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                connection.request("GET", "/v3/auth/tokens", headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    errors.append(answer.status)
                    continue
            except (OSError, http.client.HTTPException):
                errors.append(0)
                connection.close()
                continue
            times.append(time.monotonic() - began)

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(errors)


def processes(leader: int) -> list[Path]:
    """Every process of the server's session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "stat").read_text().rpartition(") ")[2].split()[3] == str(leader):
                found.append(folder)
        except OSError:
            continue
    return found


def cpu_seconds(leader: int) -> float:
    """CPU seconds that the server's processes have used."""
    total = 0
    for folder in processes(leader):
        fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident(leader: int) -> float:
    """MiB of proportional memory of the server's processes."""
    total = 0
    for folder in processes(leader):
        text = (folder / "smaps_rollup").read_text()
        total += sum(int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))
    return total / 1024


if __name__ == "__main__":
    sys.exit(main())
