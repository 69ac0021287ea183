"""JSON patches do as RFC 6902 says, and say where they don't fit."""

import pytest

from raygrad.errors import RaygradError
from raygrad.k8s.patch import patched

DOCUMENT = {"a": {"b": [1, 2]}, "c/d": 3}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/a/b/0", "value": 5}, {"a": {"b": [5, 2]}, "c/d": 3}),
        ({"op": "add", "path": "/a/b/0", "value": 0}, {"a": {"b": [0, 1, 2]}, "c/d": 3}),
        ({"op": "add", "path": "/a/b/-", "value": 3}, {"a": {"b": [1, 2, 3]}, "c/d": 3}),
        ({"op": "add", "path": "/a/e", "value": {}}, {"a": {"b": [1, 2], "e": {}}, "c/d": 3}),
        ({"op": "remove", "path": "/c~1d"}, {"a": {"b": [1, 2]}}),
    ],
)
def test_operation(operation, expected):
    assert patched(DOCUMENT, [operation]) == expected
    assert DOCUMENT == {"a": {"b": [1, 2]}, "c/d": 3}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "remove", "path": "/a/b/7"},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "move", "path": "/a", "from": "/b"},
        {"op": "add", "path": "/a/b/0"},
    ],
)
def test_operation_that_does_not_fit(operation):
    with pytest.raises(RaygradError, match="doesn't fit the manifest"):
        patched(DOCUMENT, [operation])
