"""The style sheet of a report: one column of text, light and dark, screen and paper.

The neutral colours are those of `cmd_jax.figures`, so figures sit in the page without a
frame. Figures and tables are numbered by the style sheet.
"""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f6f8fa; --ink: #1f2328; --muted: #59636e;
  --line: #d8dee4; --accent: #1a6fb8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0e1217; --raised: #171c23; --ink: #e6edf3; --muted: #9aa5b1;
    --line: #343b44; --accent: #6cb2f0;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1.5rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial,
    sans-serif;
  -webkit-text-size-adjust: 100%; counter-reset: figure table;
}
.layout { max-width: 46rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
header { margin-bottom: 2rem; }
main section:first-child h2 { margin-top: 0; }
h1 {
  margin: 0; font-size: 2.1rem; line-height: 1.2; letter-spacing: -.02em;
  font-weight: 650; overflow-wrap: break-word;
}
.subtitle { margin: .6rem 0 0; color: var(--muted); font-size: 1.1rem; }
h2 {
  margin: 3.25rem 0 .75rem; padding-top: 1.25rem; border-top: 1px solid var(--line);
  font-size: 1.35rem; line-height: 1.3; letter-spacing: -.01em; font-weight: 620;
}
p { margin: 0 0 1rem; overflow-wrap: break-word; }
code, pre {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
    monospace;
  font-size: .86em; background: var(--raised); border-radius: 4px;
}
code { padding: .12em .35em; }
pre {
  margin: 0 0 1rem; padding: .8rem 1rem; line-height: 1.5; overflow-x: auto;
  border: 1px solid var(--line);
}

.highlights {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 1px; margin: 2rem 0 0; border: 1px solid var(--line); border-radius: 8px;
  background: var(--line); overflow: hidden;
}
.highlights div {
  display: flex; flex-direction: column; justify-content: space-between;
  padding: .8rem 1rem; background: var(--paper);
}
.highlights dt {
  color: var(--muted); font-size: .82rem; line-height: 1.35; overflow-wrap: anywhere;
}
.highlights dd {
  margin: .3rem 0 0; font-size: 1.25rem; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums;
}

nav { margin-bottom: 2.5rem; font-size: .9rem; line-height: 1.4; }
nav strong {
  display: block; margin-bottom: .5rem; color: var(--muted); font-size: .78rem;
  font-weight: 600; letter-spacing: .06em; text-transform: uppercase;
}
nav ol { margin: 0; padding: 0; list-style: none; }
nav li { margin: .35rem 0; }

figure { margin: 1.75rem 0 2.25rem; counter-increment: figure; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figure img.opaque { background: #ffffff; border-radius: 6px; }
figcaption, caption { color: var(--muted); font-size: .88rem; line-height: 1.5; }
figcaption { margin-top: .7rem; }
figcaption::before, caption::before { color: var(--ink); font-weight: 600; }
figcaption::before { content: "Figure " counter(figure) ". "; }

.table { margin: 1.75rem 0 2.25rem; counter-increment: table; overflow-x: auto; }
table {
  width: 100%; border-collapse: collapse; font-size: .92rem; line-height: 1.45;
  font-variant-numeric: tabular-nums; border-bottom: 1.5px solid var(--muted);
}
caption { caption-side: top; padding-bottom: .7rem; text-align: left; }
caption::before { content: "Table " counter(table) ". "; }
th, td { padding: .42rem .75rem; text-align: left; vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
th {
  font-weight: 600; vertical-align: bottom;
  border-top: 1.5px solid var(--muted); border-bottom: 1px solid var(--muted);
}
td { overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
tbody tr + tr td { border-top: 1px solid var(--line); }
.number { text-align: right; }
td.number { white-space: nowrap; }
.downloads { margin: .4rem 0 0; text-align: right; font-size: .8rem; }
.downloads a + a { margin-left: .9rem; }

footer {
  margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: .85rem;
}

@media (min-width: 72rem) {
  .layout {
    max-width: 64rem; display: grid; grid-template-columns: 13rem minmax(0, 46rem);
    column-gap: 4rem; justify-content: center;
  }
  header, main, footer { grid-column: 2; }
  nav { grid-column: 1; grid-row: 1 / span 3; }
  header { grid-row: 1; }
  nav div { position: sticky; top: 3.5rem; }
}
@media (max-width: 36rem) {
  .layout { padding-top: 2rem; }
  h1 { font-size: 1.65rem; }
  .highlights dd { font-size: 1.05rem; }
}
@media print {
  body { font-size: 10.5pt; }
  .layout { display: block; max-width: none; padding: 0; }
  nav, .downloads { display: none; }
  h2 { break-after: avoid; margin-top: 2rem; }
  figure, .table, .highlights { break-inside: avoid; }
  pre { white-space: pre-wrap; }
}
""".strip()
