from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from made_tables import made_scores, write_table
from parsed_page import Element, parsed

from raygrad.ood.report.contents import gather
from raygrad.ood.report.page import render
from raygrad.ood.rows import Rows


@pytest.fixture(scope="session")
def three(tmp_path_factory) -> str:
    """A table of in-distribution rows, some of which failed, and near and far OOD rows."""
    far = made_scores(200, shift=2, seed=2)
    parts = {
        "dataset=usual": made_scores(400, shift=0, seed=0, failed=7),
        "dataset=near": made_scores(300, shift=1, seed=1),
        "dataset=far": far.set_column(
            far.column_names.index("label"), "label", pa.nulls(200, pa.int64())
        ),
    }
    root = tmp_path_factory.mktemp("three") / "table"
    return write_table(root, parts, spec={"label": "label"})


@pytest.fixture(scope="session")
def page_of() -> Callable[..., Element]:
    """Renders a report and parses it; sets are named by their URIs."""

    def page(table: str, usual: str | None = None, out: Any = (), **options: Any) -> Element:
        inner = Rows(usual) if usual else None
        return parsed(render(gather(Rows(table), inner, [Rows(u) for u in out], **options)))

    return page


@pytest.fixture(scope="session")
def full(three, page_of) -> Element:
    """A page with all of its sections."""
    parts = f"{three}/scores/dataset="
    return page_of(three, f"{parts}usual", [f"{parts}near", f"{parts}far"])
