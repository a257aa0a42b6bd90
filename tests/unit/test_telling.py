"""An error shows the lines that say why, not the pages around them."""

from __future__ import annotations

from cloudwright.execute.journal.telling import telling

NOISE = [f"worker {n} spawned" for n in range(100)]


def test_what_is_short_is_shown_whole() -> None:
    assert telling("one\n\ntwo\n") == "one\ntwo"


def test_the_trouble_is_found_among_noise() -> None:
    lines = [*NOISE, "OperationalError: Can't connect to 'db' (111)", *NOISE, "gone"]
    shown = telling("\n".join(lines)).splitlines()
    assert shown == ["OperationalError: Can't connect to 'db' (111)", *NOISE[-5:], "gone"]


def test_what_is_said_again_and_again_does_not_push_out_the_first_trouble() -> None:
    again = [f"12:00:{n:02} connection failed, {n} attempts left" for n in range(60)]
    shown = telling("\n".join(["fatal: no such user", *again, *NOISE])).splitlines()
    assert shown[:2] == ["fatal: no such user", again[-1]]


def test_without_any_trouble_it_is_the_end() -> None:
    assert telling("\n".join(NOISE)).splitlines() == NOISE[-20:]


def test_of_a_traceback_the_exception_is_told() -> None:
    frame = '1 ERROR api   File "/x/connections.py", line 378, in error_handler'
    code = "1 ERROR api     raise OperationalError(error)"
    mark = "1 ERROR api           ~~~~~^^^^^^^ error"
    end = "1 ERROR api OperationalError: refused"
    shown = telling("\n".join([*[frame, code, mark] * 20, end, *NOISE])).splitlines()
    assert shown == [end, *NOISE[-6:]]
