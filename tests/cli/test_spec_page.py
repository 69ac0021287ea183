"""docs/spec.md is what the models say, and every key says what it is for."""

from pathlib import Path

import pytest

from raygrad.cli.spec_page import SECTIONS, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "spec.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run python -m raygrad.cli.spec_page > docs/spec.md"


@pytest.mark.parametrize(
    ("model", "key"),
    [(model, key) for model in SECTIONS.values() for key in model.model_fields],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_key_has_a_description(model, key):
    description = model.model_fields[key].description
    assert description
    assert description.endswith(".")
