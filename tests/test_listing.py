"""A listing in columns finds, sorts and filters as lists and dicts of Python do."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raygrad.storage import Listing, StoredFile, listing

URIS = st.text("ab/.é\U0001f600", min_size=1, max_size=4)
FILES = st.lists(st.builds(StoredFile, URIS, st.integers(0, 2**40), st.text("01", max_size=2)))


@pytest.fixture(scope="module", autouse=True, params=[3, listing.AT_ONCE])
def _pieces(request):
    """The same in pieces of few files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "AT_ONCE", request.param)
        yield


@given(FILES)
def test_files_are_sorted_and_each_is_there_once(files):
    first = {file.uri: file for file in reversed(files)}
    expected = [first[uri] for uri in sorted(first)]
    found = Listing.of(iter(files))
    assert list(found) == expected
    assert [found[index] for index in range(len(found))] == expected
    assert Listing.of(expected) == found


@given(st.lists(FILES, max_size=3))
def test_a_union_has_the_files_of_all(lists):
    together = Listing.union([Listing.of(files) for files in lists])
    assert together == Listing.of(file for files in lists for file in files)


def test_a_union_of_none_is_empty():
    assert len(Listing.union([])) == 0


@given(FILES, st.lists(URIS))
def test_uris_are_found_in_whatever_order(files, uris):
    found = Listing.of(files)
    known = [file.uri for file in found]
    expected = [known.index(uri) if uri in known else -1 for uri in uris]
    assert found.positions(pa.chunked_array([uris], pa.string())).tolist() == expected


@given(FILES, st.integers(0, 2**32))
def test_some_files_can_be_picked(files, seed):
    found = Listing.of(files)
    wanted = np.random.default_rng(seed).integers(2, size=len(found)) == 1
    assert list(found.filter(wanted)) == [f for f, w in zip(found, wanted, strict=True) if w]


def test_a_name_that_is_no_text_is_an_error_of_the_listing(tmp_path):
    """No plan could hold it."""
    with pytest.raises(UnicodeEncodeError):
        Listing.of([StoredFile("a\udcff", 1, "1")])
