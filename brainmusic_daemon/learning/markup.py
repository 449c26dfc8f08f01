"""Texts and numbers in, HTML that stands by itself out: phone or screen, dark or light, no network, all escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np


def document(title: str, sections: Sequence[str]) -> str:
    """Return the whole page; `sections` are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body><main><h1>{text(title)}</h1>"
        + "".join(sections)
        + "</main></body></html>\n"
    )


def grid(pictures: Sequence[str]) -> str:
    """Return pictures (SVG) side by side, as many as there is room for."""
    return '<div class="grid">' + "".join(f"<figure>{picture}</figure>" for picture in pictures) + "</div>"


def section(title: str, note: str, content: str) -> str:
    """Return a heading, a note in small print and what belongs to it (HTML)."""
    content = content if not content.startswith("<svg") else f"<figure>{content}</figure>"
    return f"<h2>{text(title)}</h2>" + (f"<p class=note>{text(note)}</p>" if note else "") + content


def table(head: str, body: str) -> str:
    """Return a table of rows (HTML) that can be scrolled sideways."""
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def number(value: float, form: str, unit: str = "") -> str:
    """Return a number as people write it; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    said = f"{value:{form}}"
    return (said.removeprefix("-") if float(said) == 0 else said.replace("-", "−", 1)) + unit


def text(value: str) -> str:
    """Escape what is no HTML of ours."""
    return html.escape(value, quote=True)


STYLE = """
:root{--ink:#1c2126;--paper:#fff;--quiet:#b4bac2;--soft:#f3f5f7;--note:#5a636d;--good:#1d7f4e;--bad:#b3402e;--open:#8a6a12}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--paper:#14171a;--quiet:#5a626b;--soft:#1e2327;--note:#a0a8b0;
--good:#5ac893;--bad:#ef8a76;--open:#dcb753}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:54rem;margin:0 auto;padding:1.2rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0 1rem}
h2{font-size:1.1rem;margin:2.2rem 0 .3rem}
.verdict{font-size:1.1rem;padding:.8rem 1rem;background:var(--soft);
border-left:.3rem solid var(--open);border-radius:.2rem
}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}
.note,.caution,small,dt{color:var(--note)}
.note,.caution{font-size:.92rem;margin:.2rem 0 .8rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--soft)}
thead th{font-weight:600;border-color:var(--quiet)}
thead th[colspan]{text-align:center}
tbody th{font-weight:500;text-align:left;padding-left:0}
.words{text-align:left;white-space:normal;min-width:12rem}
.best{font-weight:650}
figure{margin:.6rem 0;overflow-x:auto}
svg{width:100%;max-width:40rem;height:auto;display:block}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(11.5rem,1fr));gap:.4rem}
.grid svg{max-width:17rem}
svg text{font-family:system-ui,sans-serif!important}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}
dd{margin:0;overflow-wrap:anywhere}
@media(max-width:36rem){dl{display:block}dd{margin:0 0 .5rem}th,td{padding:.25rem .45rem}}
"""
