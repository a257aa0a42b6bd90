"""What holds in every tier: no test may fail for being slow, so Hypothesis sets no deadline; and
a failure is told at once, since a run that is ended from outside prints no summary."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# What a shell starts in the background is deaf to Ctrl-C, and so is all that it starts; some of
# the programs that are tested are sent one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


class AtOnce:
    """Prints why a test failed when it fails."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{report.nodeid}, {report.when}:", red=True)
            self._reporter.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # the reporter is made by this hook, too
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter):
        config.pluginmanager.register(AtOnce(reporter))
