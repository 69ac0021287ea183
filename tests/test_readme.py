"""Every command and snippet of the README runs, in a copy of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from raygrad.spec import parse
from raygrad.storage import unknown_options

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
OF_KIND = {kind: [body for found, body in BLOCKS if found == kind] for kind, _ in BLOCKS}
COMMANDS = [line for body in OF_KIND["bash"] for line in body.splitlines() if line != "make test"]

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A fresh copy with this environment as its .venv, after `make demo`."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "README.md", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("jobs", "k8s", "raygrad"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    run("make demo", folder)
    return folder


def run(command: str, folder: Path) -> str:
    result = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=400, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_every_block_is_of_a_kind_that_these_tests_run():
    assert set(OF_KIND) == {"bash", "console", "python", "yaml", "sql"}
    assert "make demo" in COMMANDS  # console is run by tests/cluster/test_submit.py


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "make demo"])
def test_command(command, checkout):
    run(command, checkout)


def test_python(checkout, monkeypatch, capsys):
    """All snippets in their order, as a reader types them into one session."""
    monkeypatch.chdir(checkout)
    namespace: dict = {}
    for snippet in OF_KIND["python"]:
        exec(snippet, namespace)
    assert namespace["metrics"].shape == (8, 5)
    assert "AddmmBackward0" in capsys.readouterr().out
    unknown = namespace["unusual"]["dataset"] != "mnist"
    assert unknown.mean() > 0.5, "most of the unusual images are unknown ones"


@pytest.mark.parametrize("query", OF_KIND["sql"])
def test_sql(query, checkout):
    rows = duckdb.sql(query.replace("'demo/", f"'{checkout}/demo/")).fetchall()
    assert {row[0]: row[1] for row in rows} == {"mnist": 2000, "digits_8_9": 1000, "photos": 1000}


@pytest.mark.parametrize("spec", OF_KIND["yaml"][:1])
def test_job(spec, checkout):
    (checkout / "readme.yaml").write_text(spec)
    out = run(".venv/bin/raygrad validate readme.yaml", checkout)
    assert "fc_l1" in out


def test_a_part_of_a_spec():
    """The second block is no whole job; its options must be those that s3fs has."""
    (document,) = (yaml.safe_load(spec) for spec in OF_KIND["yaml"][1:])
    sections, _ = parse(document)
    assert list(unknown_options(sections["storage"])) == []


def test_the_demo_compares_all_scores_and_says_what_to_try_next(checkout):
    (line,) = [line for line in run("make -n demo", checkout).splitlines() if "evaluate" in line]
    out = run(f"COLUMNS=100 {line}", checkout)
    near, far = re.split(r"^OOD [12]: ", out, flags=re.MULTILINE)[1:]
    for score in ("all_l1", "fc_l1", "msp", "max_logit", "energy", "entropy"):
        assert re.search(rf"^{score} +0\.\d{{3}} ", near, re.MULTILINE)
        assert re.search(rf"^{score} +0\.\d{{3}} ", far, re.MULTILINE)
    near_l1 = float(re.search(r"^all_l1 +(0\.\d+)", near, re.MULTILINE)[1])
    assert near_l1 > 0.85, "a trial gave 0.92"
    said = run(".venv/bin/python -m jobs.demo.draw", checkout)
    assert "4,000 rows in demo/table/scores" in said
    assert (checkout / "demo" / "histograms.png").stat().st_size > 20_000
    tried = re.findall(r"^  (\.venv/bin/raygrad .*?)(?:\s+#.*)?$", said, re.MULTILINE)
    assert len(tried) == 3
    assert set(tried) <= set(COMMANDS), "those are run above"


@pytest.mark.parametrize("target", re.findall(r"`make (\w+)`", TEXT))
def test_every_make_target_that_is_named_exists(target):
    assert re.search(rf"^{target}:.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
