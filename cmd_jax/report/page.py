"""A report: sections of text, figures and tables, as one self-contained HTML file.

The file needs no network, no script and no other file, and its content security policy
holds it to that: it can be mailed, archived and opened anywhere. It is replaced
atomically. Everything that comes from outside is escaped.
"""

import base64
import html
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from cmd_jax import files
from cmd_jax.report.style import CSS
from cmd_jax.report.tables import Table, to_csv, to_html, to_markdown

_PNG = b"\x89PNG\r\n\x1a\n"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Figure(NamedTuple):
    """An image and its caption.

    Attributes:
      caption: what is seen and what to see in it; units and number of seeds.
      image: the bytes of an SVG or a PNG file.
      alt: what a reader who sees no images is told; the caption if empty.
    """

    caption: str
    image: bytes
    alt: str = ""


class Section(NamedTuple):
    """A titled part of a report: its text, then its figures, then its tables.

    Attributes:
      title: also the entry of the table of contents.
      text: paragraphs, parted by blank lines. `code` stands in backticks; a paragraph
        indented by four spaces is kept as it is, for commands.
      figures: in the order to show them.
      tables: in the order to show them; each can be downloaded as CSV and Markdown.
    """

    title: str
    text: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


def write_page(
    path: pathlib.Path,
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    highlights: Sequence[tuple[str, str]] = (),
    footer: str = "",
) -> None:
    """Writes a report as one HTML file that needs nothing else.

    Light or dark as the reader's system is, readable on a phone, printable.

    Args:
      path: the file to replace; its folder is made if needed.
      title: the heading of the page.
      sections: in the order to show them.
      subtitle: one line below the title: what was run on what.
      highlights: (label, value) of the few numbers that matter, shown above all else.
      footer: one line at the end, such as version and date.

    Raises:
      ValueError: an image is neither SVG nor PNG, or a table is ragged.

    Example:
      >>> import pathlib, tempfile
      >>> from cmd_jax.report import Section, write_page
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
      >>> write_page(path, "Digits", [Section("Result", "The accuracy is 97 %.")])
      >>> "<h2>Result</h2>" in path.read_text()
      True
    """
    parts = [
        _header(title, subtitle, highlights),
        _contents(sections),
        "<main>",
        *(_section(number, section) for number, section in enumerate(sections, 1)),
        "</main>",
        f"<footer>{_inline(footer)}</footer>" if footer else "",
    ]
    body = "\n".join(part for part in parts if part)
    files.write_atomic(path, _document(title, body))


def _document(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title>
<style>
{CSS}
</style>
</head>
<body>
<div class="layout">
{body}
</div>
</body>
</html>
"""


def _contents(sections: Sequence[Section]) -> str:
    entries = "\n".join(
        f'<li><a href="#section-{number}">{html.escape(section.title)}</a></li>'
        for number, section in enumerate(sections, 1)
    )
    return (
        '<nav aria-label="Contents"><div>\n<strong>Contents</strong>\n'
        f"<ol>\n{entries}\n</ol>\n</div></nav>"
    )


def _header(title: str, subtitle: str, highlights: Sequence[tuple[str, str]]) -> str:
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if subtitle:
        parts.append(f'<p class="subtitle">{_inline(subtitle)}</p>')
    if highlights:
        tiles = "\n".join(
            f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd></div>"
            for label, value in highlights
        )
        parts.append(f'<dl class="highlights">\n{tiles}\n</dl>')
    return "\n".join(["<header>", *parts, "</header>"])


def _section(number: int, section: Section) -> str:
    parts = [
        f'<section id="section-{number}">',
        f"<h2>{html.escape(section.title)}</h2>",
        *map(_paragraph, re.split(r"\n\s*\n", section.text.strip("\n"))),
        *map(_figure, section.figures),
        *map(_table, section.tables),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _paragraph(text: str) -> str:
    lines = text.splitlines()
    if not text.strip():
        return ""
    if all(line.startswith("    ") for line in lines):
        code = "\n".join(line[4:] for line in lines)
        return f"<pre>{html.escape(code)}</pre>"
    return f"<p>{_inline(text.strip())}</p>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _figure(figure: Figure) -> str:
    kind = _image_type(figure)
    mark = ' class="opaque"' if kind == "image/png" else ""
    alt = html.escape(figure.alt or figure.caption)
    image = f'<img{mark} src="{_data_uri(kind, figure.image)}" alt="{alt}">'
    caption = f"<figcaption>{_inline(figure.caption)}</figcaption>"
    return f"<figure>\n{image}\n{caption}\n</figure>"


def _image_type(figure: Figure) -> str:
    if figure.image.startswith(_PNG):
        return "image/png"
    if b"<svg" in figure.image[:1000]:
        return "image/svg+xml"
    raise ValueError(
        f"the image of the figure {figure.caption!r} starts with "
        f"{figure.image[:12]!r}: it is neither SVG nor PNG, which pages can show"
    )


def _table(table: Table) -> str:
    name = re.sub(r"\W+", "-", table.caption.lower()).strip("-")[:40] or "table"
    kinds = (
        ("CSV", "csv", "text/csv", to_csv(table)),
        ("Markdown", "md", "text/markdown", to_markdown(table)),
    )
    links = "".join(
        f'<a download="{name}.{ending}" href="{_data_uri(kind, text.encode())}">'
        f"{label}</a>"
        for label, ending, kind, text in kinds
    )
    downloads = f'<p class="downloads">{links}</p>'
    return f'<div class="table">\n{to_html(table)}\n{downloads}\n</div>'


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
