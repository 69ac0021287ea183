"""A table belongs to one identity; another is refused with a diff."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from raygrad.errors import IdentityError
from raygrad.table import identity, layout

ONE = {
    "schema_version": 1,
    "model": {"factory": "a:b", "arguments": {"classes": 3}, "fingerprint": "f00"},
    "metrics": {"all": ["max", "l1"]},
    "loss": "uniform",
    "limit": None,
}


def stored(root) -> dict:
    with open(layout.identity(str(root))) as stream:
        return json.load(stream)


def test_the_first_claim_is_written(tmp_path):
    identity.claim(str(tmp_path), ONE)
    assert stored(tmp_path) == ONE


def test_the_same_identity_is_welcome_again(tmp_path):
    identity.claim(str(tmp_path), ONE)
    identity.claim(str(tmp_path), json.loads(json.dumps(ONE)))
    identity.compare(str(tmp_path), dict(reversed(ONE.items())))


def test_a_table_without_identity_takes_any_and_gets_none(tmp_path):
    identity.compare(str(tmp_path), ONE)
    assert list(tmp_path.iterdir()) == []


def test_tuples_and_dates_equal_what_was_stored_of_them(tmp_path):
    wanted = {"shape": (1, 28), "arguments": {"day": datetime.date(2024, 1, 31)}}
    identity.claim(str(tmp_path), wanted)
    identity.claim(str(tmp_path), wanted)


def test_floats_survive_exactly(tmp_path):
    wanted = {"mean": [0.1307, 1 / 3, 1e-300]}
    identity.claim(str(tmp_path), wanted)
    identity.claim(str(tmp_path), wanted)


def test_a_difference_is_told_with_its_place_and_both_sides(tmp_path):
    identity.claim(str(tmp_path), ONE)
    with pytest.raises(IdentityError) as caught:
        identity.claim(str(tmp_path), {**ONE, "model": {**ONE["model"], "fingerprint": "bad"}})
    assert str(caught.value) == (
        f"{tmp_path} holds scores of another identity:\n"
        '  model.fingerprint: the table has "f00", this job "bad"\n'
        "use another output for this job, or the spec that the table was made with"
    )
    assert stored(tmp_path) == ONE


CHANGES = {
    "a value": (
        {"loss": "pseudo_label"},
        ['loss: the table has "uniform", this job "pseudo_label"'],
    ),
    "a list's order": (
        {"metrics": {"all": ["l1", "max"]}},
        ['metrics.all: the table has ["max", "l1"], this job ["l1", "max"]'],
    ),
    "a key more": (
        {"metrics": {"all": ["max", "l1"], "fc": ["l2"]}},
        ['metrics.fc: the table has null, this job ["l2"]'],
    ),
    "a key less": ({"metrics": {}}, ['metrics.all: the table has ["max", "l1"], this job null']),
    "a limit": ({"limit": 10}, ["limit: the table has null, this job 10"]),
    "a type": ({"schema_version": "1"}, ['schema_version: the table has 1, this job "1"']),
    "two at once, sorted": (
        {"loss": "x", "limit": 1},
        ["limit: the table has null, this job 1", 'loss: the table has "uniform", this job "x"'],
    ),
}


@pytest.mark.parametrize(("change", "lines"), CHANGES.values(), ids=CHANGES)
def test_the_diff_names(tmp_path, change, lines):
    identity.claim(str(tmp_path), ONE)
    with pytest.raises(IdentityError) as caught:
        identity.compare(str(tmp_path), {**ONE, **change})
    assert str(caught.value).splitlines()[1:-1] == [f"  {line}" for line in lines]


def test_of_claims_that_race_one_is_written_and_the_others_refused(tmp_path):
    def claim(number: int) -> str:
        try:
            identity.claim(str(tmp_path), {"number": number})
        except IdentityError:
            return "refused"
        return "written"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(claim, range(8)))
    assert sorted(results) == ["refused"] * 7 + ["written"]
    assert results[stored(tmp_path)["number"]] == "written"
