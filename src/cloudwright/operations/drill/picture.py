"""A picture of a drill: each stream's answers and failures over time, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from cloudwright.operations.drill.analysis import Figures
from cloudwright.operations.drill.records import Marks, Request

LEFT, RIGHT, TOP, ROW, BAR = 150, 110, 92, 34, 18
WIDTH = 960
TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
MOST_TICKS = 12

# Colours that keep their contrast on white and on black, and differ in lightness for those who
# see no hue; failures are also taller, gaps also hatched.
STYLE = """
text{font:13px system-ui,sans-serif;fill:#1b1f24}
.title{font-size:16px;font-weight:600}.dim{fill:#57606a}
.page{fill:#ffffff}.row{fill:#eef1f4}.ok{fill:#2f81c4}.retried{fill:#8250df}.failed{fill:#d1242f}
.gap{fill:url(#hatch);stroke:#d1242f;stroke-width:1}.hatch{stroke:#d1242f;stroke-width:2}
.broken{fill:#d1242f;fill-opacity:.10}.mark{stroke:#57606a;stroke-dasharray:3 3}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9aa4af}.page{fill:#0d1117}
.row{fill:#21262d}.ok{fill:#58a6ff}.retried{fill:#d2a8ff}.failed{fill:#ff7b72}
.gap{stroke:#ff7b72}.hatch{stroke:#ff7b72}.broken{fill:#ff7b72;fill-opacity:.16}
.mark{stroke:#9aa4af}}
"""

LEGEND = (
    ("ok", "answered"),
    ("retried", "answered at the second try"),
    ("failed", "failed"),
    ("gap", "longest time without an answer"),
    ("broken", "the failure lasts"),
)


def picture(
    title: str, requests: Iterable[Request], figures: Sequence[Figures], marks: Marks
) -> str:
    """The whole SVG document; readable in light and dark, and said in words in its `desc`."""
    height = TOP + ROW * len(figures) + 40
    by_stream: dict[str, list[Request]] = {}
    for request in requests:
        by_stream.setdefault(request.stream, []).append(request)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="title words">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="words">{escape(_words(figures, marks))}</desc>',
        f"<style>{STYLE}</style>",
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>',
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
        *_legend(),
        *_marks(marks, height),
    ]
    for number, one in enumerate(figures):
        top = TOP + ROW * number
        parts += _row(one, by_stream.get(one.stream, ()), marks, top)
    parts += [*_axis(marks, height), "</svg>"]
    return "\n".join(parts) + "\n"


def _x(seconds: float, marks: Marks) -> float:
    span = max(marks.ended, 1.0)
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(seconds, 0.0), span) / span


def _box(kind: str, began: float, ended: float, top: float, tall: float, marks: Marks) -> str:
    left = _x(began, marks)
    wide = max(1.0, _x(ended, marks) - left)
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall}"/>'
    )


def _row(one: Figures, requests: Iterable[Request], marks: Marks, top: float) -> Iterable[str]:
    yield f'<text x="12" y="{top + 14}">{escape(one.stream)}</text>'
    yield f'<rect class="row" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{BAR}"/>'
    for request in sorted(requests, key=lambda r: r.outcome == "failed"):
        failed = request.outcome == "failed"
        up, tall = (top - 4, BAR + 8) if failed else (top, BAR)
        yield _box(request.outcome, request.began, request.ended, up, tall, marks)
    if one.gap.seconds > 1:
        yield _box("gap", one.gap.began, one.gap.ended, top + BAR - 5, 5, marks)
    label = f"gap {one.gap.seconds:.1f} s"
    yield f'<text class="dim" x="{WIDTH - RIGHT + 8}" y="{top + 14}">{label}</text>'


def _marks(marks: Marks, height: float) -> Iterable[str]:
    tall = height - TOP - 30
    yield _box("broken", marks.broken_from, marks.mended_from, TOP - 8, tall, marks)
    told = [("broken", marks.broken_from), ("repaired", marks.mended_from)]
    if marks.whole_at is not None:
        told.append(("whole", marks.whole_at))
    for word, at in told:
        x = _x(at, marks)
        yield f'<path class="mark" d="M{x:.1f} {TOP - 8}V{height - 38}"/>'
        yield f'<text class="dim" x="{x + 3:.1f}" y="{TOP - 12}">{word}</text>'


def _axis(marks: Marks, height: float) -> Iterable[str]:
    step = next((t for t in TICKS if marks.ended / t <= MOST_TICKS), TICKS[-1])
    for number in range(int(marks.ended // step) + 1):
        x = _x(number * step, marks)
        text = f"{number * step} s"
        yield f'<text class="dim" x="{x:.1f}" y="{height - 16}" text-anchor="middle">{text}</text>'


def _legend() -> Iterable[str]:
    x = 12.0
    for kind, words in LEGEND:
        yield f'<rect class="{kind}" x="{x:.0f}" y="42" width="14" height="14"/>'
        yield f'<text class="dim" x="{x + 20:.0f}" y="54">{words}</text>'
        x += 44 + 6.6 * len(words)


def _words(figures: Sequence[Figures], marks: Marks) -> str:
    lines = [f"The failure lasted from {marks.broken_from:.0f} s to {marks.mended_from:.0f} s."]
    lines += [
        f"{one.stream}: longest time without an answer {one.gap.seconds:.1f} s, "
        f"{one.failed} of {one.requests} requests failed."
        for one in figures
    ]
    return " ".join(lines)
