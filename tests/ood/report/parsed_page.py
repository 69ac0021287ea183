"""A strict parser of the report's HTML: all tags are closed where they must be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "input", "link", "wbr"}


@dataclass
class Element:
    """An element with its children in order; texts are strings."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Element | str"] = field(default_factory=list)

    def __iter__(self) -> Iterator["Element"]:
        """This element and all below it, in the page's order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, *tags: str) -> list["Element"]:
        return [found for found in self if found.tag in tags]

    def by_id(self, identifier: str) -> "Element":
        (found,) = (e for e in self if e.attributes.get("id") == identifier)
        return found

    @property
    def text(self) -> str:
        texts = (c if isinstance(c, str) else c.text for c in self.children)
        return " ".join("".join(texts).split())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("(page)", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parsed(page: str) -> Element:
    assert page.startswith("<!doctype html>")
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root], "all elements are closed"
    return parser.root


def rows_of(table: Element) -> list[list[str]]:
    """The texts of a table's body."""
    (body,) = table.all("tbody")
    return [[cell.text for cell in row.all("th", "td")] for row in body.all("tr")]


def captioned(page: Element, words: str) -> Element:
    """The one table whose caption has the words."""
    (found,) = (t for t in page.all("table") if words in t.all("caption")[0].text)
    return found
