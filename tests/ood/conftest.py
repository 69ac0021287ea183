from collections.abc import Callable

import pytest
from made_tables import write_table


@pytest.fixture
def table_of(tmp_path) -> Callable[..., str]:
    """Writes a table below the test's folder."""
    return lambda parts, name="table", **more: write_table(tmp_path / name, parts, **more)
