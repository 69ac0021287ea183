"""The command line explains itself, and quickly."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from raygrad import __version__
from raygrad.cli import main

COMMANDS = sorted(main.commands)
OPTIONS = [
    (name, option)
    for name, command in sorted(main.commands.items())
    for option in command.params
    if isinstance(option, click.Option)
]


def test_version():
    assert CliRunner().invoke(main, ["--version"]).output == f"raygrad {__version__}\n"


def test_help_lists_the_exit_codes_and_the_commands():
    text = CliRunner().invoke(main, ["--help"]).output
    for code in ("0    done", "1    failed", "2    bad spec", "3    stopped", "130  interrupted"):
        assert code in text
    for command in COMMANDS:
        assert f"  {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert main.commands[command].help


@pytest.mark.parametrize(
    "option", [o for _, o in OPTIONS], ids=[f"{c}-{o.opts[0]}" for c, o in OPTIONS]
)
def test_option_has_help(option):
    assert option.help
    assert option.help.endswith(".")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    heavy = {"torch", "ray", "pyarrow", "fsspec", "pydantic", "numpy", "rich", "yaml", "PIL"}
    code = (
        "import sys; from raygrad.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr == "[]\n"


def test_a_spec_that_is_not_there_is_exit_code_2():
    result = CliRunner().invoke(main, ["run", "nowhere.yaml"])
    assert result.exit_code == 2
    assert "nowhere.yaml: can't be read: No such file or directory" in result.output
