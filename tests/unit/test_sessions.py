"""Where the dashboard's program for sessions finds the database, as Django wants to be told."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from cloudwright.services import horizon

PROGRAM = Path(horizon.__file__).parent / "program" / "sessions.py"
BUILD = "mysql+pymysql://root@localhost/horizon?unix_socket=/run/db&charset=utf8mb4"


def test_it_speaks_tls_where_the_configuration_says_whom_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OS_DATABASE__CONNECTION", raising=False)
    conf = tmp_path / "horizon.conf"
    conf.write_text("[database]\nconnection = mysql+pymysql://horizon:a%2Fb%%@10.0.0.1:13306/horizon"
                    "?charset=utf8mb4&ssl_ca=/etc/ca.pem\n")  # fmt: skip
    program = runpy.run_path(str(PROGRAM))
    program["connection"].__globals__["CONF"] = str(conf)
    database = program["database"]()
    assert database["ENGINE"] == "django.db.backends.mysql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "10.0.0.1",
        "13306",
        "horizon",
    )
    assert (database["USER"], database["PASSWORD"]) == ("horizon", "a/b%%")
    assert database["OPTIONS"]["ssl"] == {"ca": "/etc/ca.pem"}


def test_at_the_build_it_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DATABASE__CONNECTION", BUILD)
    database = runpy.run_path(str(PROGRAM))["database"]()
    assert (database["HOST"], database["PORT"], database["USER"]) == ("/run/db", "", "root")
    assert "ssl" not in database["OPTIONS"]


def test_it_knows_two_commands_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["horizon-sessions", "flush"])
    with pytest.raises(SystemExit, match=r"migrate \| clearsessions"):
        runpy.run_path(str(PROGRAM), run_name="__main__")
