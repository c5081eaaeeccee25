"""The page: complete, self-contained, and deaf to what its texts try to be."""

import base64
import html.parser
import re

import pytest

from cmd_jax.report import Figure, Section, Table, write_page

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
EVIL = '<script>alert("&")</script>'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Tags with their attributes and the text of each tag; checks the nesting."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.stack, self.texts = [], [], {}
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack:
            self.texts.setdefault(self.stack[-1], []).append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "report.html"


@pytest.fixture
def sections():
    table = Table("Accuracy by method", ["method", "%"], [["SGD", 90.5]])
    return [
        Section("First", "One.\n\nTwo with `code`.", [Figure("A curve", SVG)], [table]),
        Section("Second", "Run\n\n    python a.py\n      --b", [Figure("A", PNG, "B")]),
        Section("Second", ""),
    ]


def test_every_section_stands_in_the_page_and_in_its_contents(path, sections):
    write_page(path, "Digits", sections)
    page = Page(path.read_text())
    assert page.texts["title"] == page.texts["h1"] == ["Digits"]
    assert page.texts["h2"] == ["First", "Second", "Second"]
    targets = [a["href"] for a in page.all("a") if "download" not in a]
    assert targets == ["#" + section["id"] for section in page.all("section")]
    assert len(set(targets)) == 3


def test_texts_become_paragraphs_code_and_commands(path, sections):
    write_page(path, "Digits", sections)
    page = Page(path.read_text())
    assert [text for text in page.texts["p"] if text.strip()] == [
        *("One.", "Two with ", ".", "Run")
    ]
    assert page.texts["code"] == ["code"]
    assert page.texts["pre"] == ["python a.py\n  --b"]


def test_images_are_inside_with_their_captions_and_alternatives(path, sections):
    write_page(path, "Digits", sections)
    page = Page(path.read_text())
    svg, png = page.all("img")
    assert svg["src"] == "data:image/svg+xml;base64," + base64.b64encode(SVG).decode()
    assert png["src"].startswith("data:image/png;base64,")
    assert (svg["alt"], png["alt"]) == ("A curve", "B")
    assert page.texts["figcaption"] == ["A curve", "A"]


def test_tables_can_be_downloaded(path, sections):
    write_page(path, "Digits", sections)
    links = [a for a in Page(path.read_text()).all("a") if "download" in a]
    names = [link["download"] for link in links]
    assert names == ["accuracy-by-method.csv", "accuracy-by-method.md"]
    content = base64.b64decode(links[0]["href"].split(",", 1)[1])
    assert content == b"method,%\nSGD,90.5\n"


def test_the_page_asks_for_nothing_from_outside(path, sections):
    write_page(path, "Digits", sections)
    text = path.read_text()
    assert not re.search(
        r"https?:|//|@import|url\(", re.sub(r"base64,[^\"]*", "", text)
    )
    page = Page(text)
    assert not page.all("script") and not page.all("link")
    policy = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy and policy[0].startswith("default-src 'none'")
    addresses = [a.get("src") or a.get("href") for _, a in page.tags]
    assert all(a.startswith(("data:", "#")) for a in addresses if a)


def test_everything_is_escaped(path):
    table = Table(EVIL, [EVIL], [[EVIL]])
    text = f"{EVIL}\n\n`{EVIL}`\n\n    {EVIL}"
    section = Section(EVIL, text, [Figure(EVIL, SVG, EVIL + '" onload="x')], [table])
    tiles = [(EVIL, EVIL)]
    write_page(path, EVIL, [section], subtitle=EVIL, highlights=tiles, footer=EVIL)
    page = Page(path.read_text())
    assert not page.all("script")
    assert all("onload" not in attributes for _, attributes in page.tags)
    shown = ("title", "h1", "h2", "p", "code", "pre", "th", "td", "caption", "dt", "dd")
    for tag in (*shown, "figcaption", "footer"):
        assert EVIL in page.texts[tag], tag


def test_highlights_subtitle_and_footer_appear_only_when_given(path):
    write_page(path, "Digits", [])
    bare = Page(path.read_text())
    assert not bare.all("dl") and not bare.all("footer")
    write_page(path, "Digits", [], subtitle="3 seeds", highlights=[("R²", "0.9")])
    full = Page(path.read_text())
    assert full.texts["dt"] == ["R²"] and full.texts["dd"] == ["0.9"]
    assert "3 seeds" in full.texts["p"]


def test_an_unknown_image_leaves_the_old_page_in_place(path):
    write_page(path, "Old", [])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="figure 'A plot' starts with b'GIF89a'"):
        write_page(path, "New", [Section("A", "", [Figure("A plot", b"GIF89a")])])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
