"""Pages as a browser reads them."""

from __future__ import annotations

from html.parser import HTMLParser


class References(HTMLParser):
    """Collects everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster", "background"):
                self.found.append(value or "")
            assert not name.startswith("on"), f"{tag} has {name}"


class Text(HTMLParser):
    """Collects the text of a page as a browser shows it, and the values of attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.values: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(page: str) -> str:
    """What a reader reads, with single spaces."""
    parser = Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def find_references(page: str) -> References:
    """Return everything in a page that a browser would fetch or run."""
    parser = References()
    parser.feed(page)
    return parser
