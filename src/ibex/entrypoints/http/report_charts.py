"""Charts as SVG, made here: they need no script and no network. Every value is also in a table beside the chart.

Places are in percent and heights in pixels, so that a chart is as wide as its box while its letters keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

_HEIGHT: Final = 180
_TOP: Final = 18
_BOTTOM: Final = 22
_MOST_LABELS: Final = 6
_ROW: Final = 44


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its label, as people read it."""

    label: str
    value: Decimal
    shown: str


def columns(bars: Sequence[Bar], name: str) -> str:
    """Upright bars in their order; values below zero hang down."""
    if not bars:
        return '<p class="none">Nothing in this period.</p>'
    highest = max(bar.value for bar in bars)
    top, bottom = max(highest, Decimal(0)), min(*(bar.value for bar in bars), Decimal(0))
    span = (top - bottom) or Decimal(1)
    room = _HEIGHT - _TOP - _BOTTOM
    zero = _TOP + float(top / span) * room
    step = 100 / len(bars)
    width = step * (0.72 if len(bars) <= 62 else 0.86)
    every = max(1, -(-len(bars) // _MOST_LABELS))
    parts = [
        f'<svg class="columns" width="100%" height="{_HEIGHT}" role="img" aria-label="{escape(name)}">',
        f'<line class="axis" x1="0" x2="100%" y1="{zero:.1f}" y2="{zero:.1f}"/>',
    ]
    for i, bar in enumerate(bars):
        tall = float(abs(bar.value) / span) * room
        y = zero - tall if bar.value >= 0 else zero
        x = i * step + (step - width) / 2
        kind = "bar" if bar.value >= 0 else "bar below"
        parts.append(
            f"<g><title>{escape(bar.label)}: {escape(bar.shown)}</title>"
            f'<rect class="reach" x="{i * step:.3f}%" y="0" width="{step:.3f}%" height="{_HEIGHT - _BOTTOM}"/>'
            f'<rect class="{kind}" x="{x:.3f}%" y="{y:.1f}" width="{width:.3f}%" '
            f'height="{max(tall, 0.5):.1f}" rx="2"/></g>'
        )
        if i % every == 0:
            anchor, at = ("start", i * step) if i == 0 else ("middle", i * step + step / 2)
            parts.append(f'<text x="{at:.3f}%" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(bar.label)}</text>')
    best = max(range(len(bars)), key=lambda i: bars[i].value)
    if highest > 0:
        middle = best * step + step / 2
        anchor = "start" if middle < 15 else "end" if middle > 85 else "middle"
        parts.append(
            f'<text class="best" x="{middle:.3f}%" y="12" text-anchor="{anchor}">{escape(bars[best].shown)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


def rows(bars: Sequence[Bar], name: str) -> str:
    """Lying bars, each under its label: for names, of whatever length and direction of writing."""
    if not bars:
        return '<p class="none">Nothing in this period.</p>'
    longest = max(*(abs(bar.value) for bar in bars), Decimal(1) / 10**6)
    items = []
    for bar in bars:
        share = float(abs(bar.value) / longest) * 100
        kind = "bar" if bar.value >= 0 else "bar below"
        items.append(
            f'<li><div><bdi class="label">{escape(bar.label)}</bdi><span class="value">{escape(bar.shown)}</span></div>'
            f'<svg width="100%" height="8" aria-hidden="true"><rect class="track" width="100%" height="8" rx="4"/>'
            f'<rect class="{kind}" width="{max(share, 0.5):.2f}%" height="8" rx="4"/></svg></li>'
        )
    return f'<ol class="rows" aria-label="{escape(name)}">{"".join(items)}</ol>'


def table(caption: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """The same in figures; folded away until somebody opens it."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
    body = "".join("<tr>" + "".join(f"<td><bdi>{escape(cell)}</bdi></td>" for cell in line) + "</tr>" for line in lines)
    return (
        f'<details><summary>{escape(caption)}</summary><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></details>"
    )
