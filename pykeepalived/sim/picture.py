"""A simulated run for people and programs: the timeline as text, everything as JSON data, states over time as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from pykeepalived.sim.cluster import SECOND, Change, Cluster, Moment
from pykeepalived.sim.scenario import Verdict

_COLOURS = {"MASTER": "#2e8b57", "BACKUP": "#9db8d9", "FAULT": "#d9534f", "STOP": "#cccccc", "DEAD": "#444444"}
_ROW, _LEFT, _WIDTH = 26, 160, 900


def timeline(moments: Sequence[Moment]) -> str:
    """One line a moment: seconds since the start, node, what happened."""
    width = max((len(moment.node) for moment in moments), default=0)
    return "\n".join(f"{moment.at / SECOND:10.4f} s  {moment.node:<{width}}  {moment.what}" for moment in moments)


def as_data(cluster: Cluster, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything a program may want to know of a run; times in seconds."""
    return {
        "duration": cluster.elapsed / SECOND,
        "timeline": [{"at": item.at / SECOND, "node": item.node, "what": item.what} for item in cluster.moments],
        "states": [
            {"at": item.at / SECOND, "node": item.node, "instance": item.instance, "state": item.state}
            for item in cluster.changes
        ],
        "expectations": [{"text": item.text, "holds": item.holds, "found": item.found} for item in verdicts],
        "violations": list(cluster.violations),
        "packets": {"sent": cluster.lan.sent, "lost": cluster.lan.lost},
    }


def svg(cluster: Cluster) -> str:
    """A row for each instance of each node, coloured by its state over time."""
    end = max(cluster.elapsed, 1)
    rows = list(dict.fromkeys((change.node, change.instance) for change in cluster.changes))
    height = _ROW * (len(rows) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    ]
    for number, (node, instance) in enumerate(rows):
        top = _ROW * number + 4
        parts.append(f'<text x="4" y="{top + 14}">{escape(node)} {escape(instance)}</text>')
        own = [change for change in cluster.changes if (change.node, change.instance) == (node, instance)]
        parts += [_bar(change, after, top, end) for change, after in zip(own, [*own[1:], None], strict=True)]
    parts += _scale(end, _ROW * len(rows) + 4)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _bar(change: Change, after: Change | None, top: int, end: int) -> str:
    until = after.at if after is not None else end
    left = _LEFT + change.at * _WIDTH / end
    width = max((until - change.at) * _WIDTH / end, 0.5)
    title = f"{change.state} {change.at / SECOND:.3f} s - {until / SECOND:.3f} s"
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_ROW - 8}" fill="{_COLOURS[change.state]}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _scale(end: int, top: int) -> list[str]:
    parts = []
    for tenth in range(11):
        left = _LEFT + tenth * _WIDTH / 10
        parts.append(
            f'<text x="{left:.0f}" y="{top + 14}" text-anchor="middle">{end * tenth / 10 / SECOND:.4g} s</text>'
        )
    left = _LEFT
    for state, colour in _COLOURS.items():
        parts.append(f'<rect x="{left}" y="{top + _ROW - 4}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 16}" y="{top + _ROW + 6}">{state}</text>')
        left += 90
    return parts
