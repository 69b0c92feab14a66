"""The picture of a simulation, as SVG: panels with lines over time. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, PANEL, GAP = 900, 130, 46
LEFT, RIGHT, TOP = 60, 20, 46
COLOURS = ("#1f5fa8", "#c4661f")
TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


@dataclass(frozen=True, slots=True)
class Line:
    """One value over time; it holds from a moment to the next where `steps`."""

    name: str
    values: Sequence[float]
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share an axis."""

    title: str
    lines: tuple[Line, ...]


def draw_picture(title: str, hours: Sequence[float], panels: Sequence[Panel]) -> str:
    """Return panels one below the other, all over the same hours, as an SVG document."""
    height = TOP + len(panels) * (PANEL + GAP)
    body = [f'<text x="{LEFT}" y="20" {TEXT} font-weight="bold">{escape(title)}</text>']
    for place, panel in enumerate(panels):
        body += _draw_panel(panel, hours, TOP + place * (PANEL + GAP))
    body.append(f'<text x="{WIDTH - RIGHT}" y="{height - 8}" {TEXT} text-anchor="end">hours</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *body,
            "</svg>\n",
        ]
    )


def _draw_panel(panel: Panel, hours: Sequence[float], top: int) -> Iterator[str]:
    most = max((max(line.values, default=0.0) for line in panel.lines), default=0.0) or 1.0
    last = max(hours, default=0.0) or 1.0
    bottom = top + PANEL
    yield f'<text x="{LEFT}" y="{top - 6}" {TEXT}>{escape(panel.title)}</text>'
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * PANEL
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        label = f"{share * most:.3g}"
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" {TEXT} text-anchor="end">{label}</text>'
    for quarter in range(5):
        x = LEFT + quarter / 4 * (WIDTH - LEFT - RIGHT)
        label = f"{quarter / 4 * last:.2g}"
        yield f'<text x="{x:.1f}" y="{bottom + 15}" {TEXT} text-anchor="middle">{label}</text>'
    for place, line in enumerate(panel.lines):
        colour = COLOURS[place % len(COLOURS)]
        points = [
            (
                LEFT + hour / last * (WIDTH - LEFT - RIGHT),
                bottom - value / most * PANEL,
            )
            for hour, value in zip(hours, line.values, strict=True)
        ]
        yield (
            f'<path d="{_trace(points, line.steps)}" fill="none" stroke="{colour}"'
            ' stroke-width="1.5"/>'
        )
        x = WIDTH - RIGHT - 130 * (len(panel.lines) - place - 1)
        yield (
            f'<text x="{x}" y="{top - 6}" {TEXT} text-anchor="end" style="fill:{colour}">'
            f"{escape(line.name)}</text>"
        )


def _trace(points: Sequence[tuple[float, float]], steps: bool) -> str:  # noqa: FBT001
    if not points:
        return ""
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for x, y in points[1:]:
        path.append(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}")
    return "".join(path)
