"""Text files that name one path, glob or URI a line."""

import fsspec
import numpy as np
import pytest
from writers import PIXELS, WRITERS

from raygrad.sources import SOURCES
from raygrad.sources.manifest import expand, list_all
from raygrad.spec import SourceSpec
from raygrad.validate import checks


@pytest.fixture
def manifest(tmp_path):
    def write(*lines: str, encoding: str = "utf-8") -> str:
        (tmp_path / "files.txt").write_text("\n".join(lines), encoding=encoding)
        return f"@{tmp_path}/files.txt"

    return write


def listed(path, format: str = "images"):
    faults: list = []
    found = checks.list_source("sources[0]", SourceSpec(path=path, format=format), {}, faults)
    files = None if found is None else [file.uri for file in found[0].files]
    return files, [str(fault) for fault in faults]


@pytest.mark.parametrize("format", SOURCES)
def test_a_manifest_names_files_of_every_format(tmp_path, manifest, format):
    (tmp_path / "in").mkdir()
    WRITERS[format].write(tmp_path / "in", PIXELS)
    names = sorted(str(path) for path in (tmp_path / "in").iterdir())
    assert listed(manifest(*names), format) == (names, [])


def test_lines_may_be_globs_and_folders_and_comments(tmp_path, manifest):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/x.txt", "c é.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    path = manifest(
        "# images", f"{tmp_path}/a/*.png", "", f"  {tmp_path}/b ", f"{tmp_path}/c é.png"
    )
    expected = [f"{tmp_path}/{name}" for name in ("a/1.png", "a/2.png", "b/1.png", "c é.png")]
    assert listed(path) == (expected, [])
    assert listed([path, f"{tmp_path}/a"]) == (expected, [])


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, manifest):
    (tmp_path / "a.png").write_bytes(b"")
    path = manifest(f"{tmp_path}/a.png", encoding="utf-8-sig")
    assert listed(path) == ([f"{tmp_path}/a.png"], [])


def test_each_line_that_leads_nowhere_is_told_up_to_twenty(tmp_path, manifest):
    (tmp_path / "a.png").write_bytes(b"")
    _, faults = listed(manifest(f"{tmp_path}/a.png", *(f"{tmp_path}/{n}" for n in range(23))))
    assert faults[0] == f"sources[0].path: nothing is at {tmp_path}/0"
    assert len(faults) == 21
    assert faults[-1] == "sources[0].path: nothing is at 3 other paths either"


@pytest.mark.parametrize("content", [b"", b"\n\n# nothing\n", b"\xff\xfe\x00"])
def test_a_manifest_that_names_nothing_is_refused(tmp_path, content):
    (tmp_path / "files.txt").write_bytes(content)
    files, (fault,) = listed(f"@{tmp_path}/files.txt")
    assert files is None
    assert fault.startswith(f"sources[0].path: @{tmp_path}/files.txt can't be listed: ")


def test_a_manifest_that_is_not_there_is_told(tmp_path):
    assert listed(f"@{tmp_path}/files.txt") == (
        None,
        [f"sources[0].path: nothing is at @{tmp_path}/files.txt"],
    )


def test_files_of_a_store_are_looked_up_side_by_side(tmp_path):
    names = [f"memory://manifest-{tmp_path.name}/{np.base_repr(n, 36)}.png" for n in range(50)]
    for name in names:
        with fsspec.open(name, "wb") as stream:
            stream.write(b"")
    with fsspec.open(f"memory://manifest-{tmp_path.name}.txt", "w") as stream:
        stream.write("\n".join(names))
    paths = expand(f"@memory://manifest-{tmp_path.name}.txt")
    assert paths == names
    files, nowhere = list_all([*paths, "memory://nowhere/a.png"])
    found = [file.uri.rsplit("/")[-1] for file in files]
    assert found == sorted(name.rsplit("/")[-1] for name in names)
    assert nowhere == ["memory://nowhere/a.png"]
