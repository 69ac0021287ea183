"""Makes torchvision import on a CPU build of torch, and prints what the engine covered."""

import os

import pytest
from cpu_torchvision import import_torchvision
from shares import SHARES, table

os.environ["HF_HUB_OFFLINE"] = "1"  # random weights only: nothing may be fetched


import_torchvision()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SHARES:
        terminalreporter.section("share of parameters that the reference had to take")
        terminalreporter.write_line(table())
