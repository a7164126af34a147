"""A simulated run for people and programs: the timeline as text, everything as JSON data, states over time as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from pykeepalived.sim.cluster import SECOND, Change, Cluster, Moment
from pykeepalived.sim.play import Verdict
from pykeepalived.sim.summary import Fate, fates

_COLOURS = {"MASTER": "#2e8b57", "BACKUP": "#9db8d9", "FAULT": "#d9534f", "STOP": "#cccccc", "DEAD": "#444444"}
_GAP, _OVERLAP = "#d9534f", "#f0ad4e"
_ROW, _LEFT, _WIDTH = 26, 160, 900


def timeline(moments: Sequence[Moment]) -> str:
    """One line a moment: seconds since the start, node, what happened."""
    width = max((len(moment.node) for moment in moments), default=0)
    return "\n".join(f"{moment.at / SECOND:10.4f} s  {moment.node:<{width}}  {moment.what}" for moment in moments)


def summary(cluster: Cluster) -> str:
    """One line a virtual router: how long it was without a master, with two, and how often it flapped."""
    return "\n".join(_summary(fate) for fate in fates(cluster))


def _summary(fate: Fate) -> str:
    times = f"{_count(len(fate.masterships), 'mastership')}, {_count(fate.flaps, 'flap')}"
    parts = [times, _spans("no master", fate.gaps), _spans("two masters", fate.overlaps)]
    return f"{_router(fate)}: {', '.join(part for part in parts if part)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _router(fate: Fate) -> str:
    interface, family, vrid = fate.key
    return f"VRID {vrid} on {interface}{' (IPv6)' if family == 6 else ''}"


def _spans(what: str, spans: Sequence[tuple[int, int]]) -> str:
    if not spans:
        return ""
    longest = max(end - begin for begin, end in spans) / SECOND
    total = sum(end - begin for begin, end in spans) / SECOND
    return f"{what} for {total:.4f} s" + (
        f" in {len(spans)} pieces of at most {longest:.4f} s" if len(spans) > 1 else ""
    )


def _fate_data(fate: Fate) -> dict[str, Any]:
    interface, family, vrid = fate.key
    return {
        "interface": interface,
        "family": family,
        "vrid": vrid,
        "masterships": [
            {"node": each.node, "begin": each.begin / SECOND, "end": each.end / SECOND} for each in fate.masterships
        ],
        "gaps": [[begin / SECOND, end / SECOND] for begin, end in fate.gaps],
        "overlaps": [[begin / SECOND, end / SECOND] for begin, end in fate.overlaps],
        "flaps": fate.flaps,
    }


def as_data(cluster: Cluster, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything a program may want to know of a run; times in seconds."""
    return {
        "duration": cluster.elapsed / SECOND,
        "timeline": [{"at": item.at / SECOND, "node": item.node, "what": item.what} for item in cluster.moments],
        "states": [
            {"at": item.at / SECOND, "node": item.node, "instance": item.instance, "state": item.state}
            for item in cluster.changes
        ],
        "routers": [_fate_data(fate) for fate in fates(cluster)],
        "expectations": [
            {"text": item.text, "holds": item.holds, "found": item.found, "why": list(item.why)} for item in verdicts
        ],
        "violations": list(cluster.violations),
        "packets": {"sent": cluster.lan.sent, "lost": cluster.lan.lost},
    }


def svg(cluster: Cluster) -> str:
    """A row for each instance of each node, coloured by its state over time; one below for each virtual router, with
    the moments without a master and those with two."""
    end = max(cluster.elapsed, 1)
    rows = list(dict.fromkeys((change.node, change.instance) for change in cluster.changes))
    routers = fates(cluster)
    height = _ROW * (len(rows) + len(routers) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    ]
    for number, (node, instance) in enumerate(rows):
        top = _ROW * number + 4
        parts.append(f'<text x="4" y="{top + 14}">{escape(node)} {escape(instance)}</text>')
        own = [change for change in cluster.changes if (change.node, change.instance) == (node, instance)]
        parts += [_bar(change, after, top, end) for change, after in zip(own, [*own[1:], None], strict=True)]
    for number, fate in enumerate(routers, len(rows)):
        parts += _fate_row(fate, _ROW * number + 4, end)
    parts += _scale(end, _ROW * (len(rows) + len(routers)) + 4)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _bar(change: Change, after: Change | None, top: int, end: int) -> str:
    until = after.at if after is not None else end
    return _rectangle(change.state, _COLOURS[change.state], (change.at, until), top, end)


def _fate_row(fate: Fate, top: int, end: int) -> list[str]:
    parts = [f'<text x="4" y="{top + 14}">{escape(_router(fate))}</text>']
    parts += [_rectangle("no master", _GAP, span, top, end) for span in fate.gaps]
    parts += [_rectangle("two masters", _OVERLAP, span, top, end) for span in fate.overlaps]
    return parts


def _rectangle(what: str, colour: str, span: tuple[int, int], top: int, end: int) -> str:
    begin, until = span
    left = _LEFT + begin * _WIDTH / end
    width = max((until - begin) * _WIDTH / end, 0.5)
    title = f"{what} {begin / SECOND:.3f} s - {until / SECOND:.3f} s"
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_ROW - 8}" fill="{colour}">'
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
    for what, colour in {**_COLOURS, "no master": _GAP, "two masters": _OVERLAP}.items():
        parts.append(f'<rect x="{left}" y="{top + _ROW - 4}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 16}" y="{top + _ROW + 6}">{what}</text>')
        left += 100
    return parts
