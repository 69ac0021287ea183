"""The page as a document: sound HTML, nothing from elsewhere, fit for keyboards and readers."""

import base64
import hashlib
import itertools
import re
from importlib.resources import files

import pyarrow as pa
import pytest
from made_tables import made_scores
from parsed_page import parsed

from raygrad.ood.report import page as rendering
from raygrad.ood.report.contents import gather
from raygrad.ood.rows import Rows


def test_all_sections_are_there_in_order(full):
    found = [section.attributes["id"] for section in full.all("section")]
    assert found == list(rendering.SECTIONS)
    links = [link.attributes["href"] for link in full.all("nav")[0].all("a")]
    assert links == [f"#{name}" for name in found]


def test_identifiers_are_unique_and_all_references_lead_somewhere(full):
    found = [e.attributes["id"] for e in full if "id" in e.attributes]
    assert len(found) == len(set(found))
    for element in full:
        names = (element.attributes.get("aria-labelledby") or "").split()
        if (element.attributes.get("href") or "").startswith("#"):
            names.append(element.attributes["href"][1:])
        assert set(names) <= set(found)


def test_headings_go_down_one_level_at_a_time(full):
    levels = [int(e.tag[1]) for e in full.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


def test_landmarks_and_language(full):
    assert full.all("html")[0].attributes["lang"] == "en"
    assert [len(full.all(tag)) for tag in ("main", "nav", "header", "footer")] == [1] * 4
    skip = full.all("a")[0]
    assert skip.attributes["href"] == "#main"
    regions = [e.attributes["aria-label"] for e in full if e.attributes.get("role") == "region"]
    assert len(regions) == len(set(regions))


def test_nothing_comes_from_elsewhere(full):
    """Nor may it: the page's own policy forbids requests, and all scripts but its own."""
    for element in full:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            address = element.attributes.get(name) or "#"
            assert address.startswith(("#", "data:image/")), f"<{element.tag} {name}={address}>"
    assert not full.all("link", "iframe", "object", "embed", "base")
    (style,) = full.all("style")
    assert not re.search(r"url\(|@import|http", style.text)
    policy = next(m for m in full.all("meta") if "http-equiv" in m.attributes).attributes
    (script,) = full.all("script")
    digest = hashlib.sha256(script.children[0].encode()).digest()
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy["content"]


def test_pictures_have_a_title_and_a_description(full):
    drawn = [svg for svg in full.all("svg") if svg.attributes.get("role") == "img"]
    assert len(drawn) == 7 + 2 * 2  # a histogram a score, two curves an OOD set
    for svg in drawn:
        title, description = (full.by_id(i) for i in svg.attributes["aria-labelledby"].split())
        assert (title.tag, description.tag) == ("title", "desc")
        assert title.text
        assert description.text
    others = [svg for svg in full.all("svg") if svg not in drawn]
    assert all(svg.attributes["aria-hidden"] == "true" for svg in others)
    assert all(image.attributes["alt"] for image in full.all("img"))


def test_tables_have_captions_and_scopes(full):
    tables = full.all("table")
    assert len(tables) >= 7
    for table in tables:
        assert table.all("caption")[0].text
        assert all(cell.attributes["scope"] == "col" for cell in table.all("thead")[0].all("th"))
        assert all(cell.attributes["scope"] == "row" for cell in table.all("tbody")[0].all("th"))
        width = len(table.all("thead")[0].all("th"))
        assert all(len(row.all("th", "td")) == width for row in table.all("tbody")[0].all("tr"))


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The ratio of WCAG 2.2."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def palettes() -> list[dict[str, tuple[float, ...]]]:
    """The colours of both schemes by name, each from 0 to 1."""
    style = files("raygrad.ood.report").joinpath("templates/style.css").read_text()
    found = []
    for block in re.findall(r":root \{([^}]*--page[^}]*)\}", style):
        pairs = re.findall(r"--(\w+): #(\w+);", block)
        long = {n: c if len(c) == 6 else "".join(2 * digit for digit in c) for n, c in pairs}
        found.append({n: tuple(b / 255 for b in bytes.fromhex(c)) for n, c in long.items()})
    return found


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
def test_contrasts_are_those_of_wcag_aa(palette):
    assert len(palettes()) == 2
    for ground in ("page", "raised"):
        for text in ("ink", "quiet", "link"):
            assert contrast(palette[text], palette[ground]) >= 4.5, f"{text} on {ground}"
    for line in [name for name in palette if re.fullmatch(r"s\d", name)]:
        assert contrast(palette[line], palette["page"]) >= 3, line
    for side in ("positive", "negative"):  # cells are mixtures of these and the page
        assert contrast(palette["ink"], palette[side]) >= 4.5, side


NASTY = "<script>alert('ü')</script>\"&amp;"


def test_texts_of_the_table_stay_texts(table_of, page_of, full):
    rows = made_scores(30, shift=0, seed=0, failed=2)
    messages = pa.array([NASTY] * 2 + [None] * 28)
    rows = rows.set_column(rows.column_names.index("error_message"), "error_message", messages)
    rows = rows.append_column("source", pa.array([f"/data/{NASTY}.png"] * 30))
    spec = {"label": "label", "model": {"factory": NASTY}}
    table = table_of({"dataset=%3Cb%3E": rows}, spec=spec, versions={NASTY: NASTY})
    page = page_of(f"{table}/scores/dataset=%3Cb%3E")
    assert page.by_id("errors").text.count(NASTY) == 2, "in the file's name and the message"
    assert NASTY in page.by_id("unusual").text
    assert NASTY in page.by_id("provenance").text
    assert "<b>" in page.by_id("summary").text
    tags = {element.tag for element in page}
    assert tags <= {element.tag for element in full} | {"details", "summary", "pre", "p", "div"}
    assert len(page.all("script")) == 1


def test_conditions_stay_texts(three):
    rows = Rows(three, "source <> '<script>' AND dataset = 'usual'")
    page = parsed(rendering.render(gather(rows)))
    assert "source <> '<script>'" in page.all("h1")[0].text
