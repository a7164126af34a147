"""Configurations of odd structure: quotes, conditions, definitions, loops, includes, repeated and missing parts.

Everything follows from a seed: a sound file, and one to four things done to its text. What single lines may hold is
the business of configurations.py. keepalived 2.2.7 judges the same text, so what it does not know is left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SOUND = """global_defs {
router_id lb
vrrp_garp_master_delay 5
vrrp_version 2
notification_email {
a@x.org
b@x.org
}
}
static_ipaddress {
10.255.0.77/24 dev eth0
}
static_routes {
10.77.0.0/24 dev eth0
}
track_file f {
file /tmp/pkcb-f
weight 5
}
bfd_instance b {
neighbor_ip 10.255.0.9
min_rx 50
}
vrrp_instance v {
state BACKUP
interface eth0
virtual_router_id 5
priority 90
advert_int 2
authentication {
auth_type PASS
auth_pass secret
}
virtual_ipaddress {
10.255.0.50/24
10.255.0.51/24 dev eth1
}
virtual_routes {
10.79.0.0/24 dev eth0
}
track_interface {
eth1 weight 5
}
track_file {
f weight 10
}
}
vrrp_instance w {
interface eth1
virtual_router_id 6
virtual_ipaddress {
10.255.1.50/24
}
}
vrrp_sync_group g {
sync_group_tracking_weight
group {
v
w
}
}
virtual_server_group vg {
10.255.0.60 80
10.255.0.61-63 80
}
virtual_server group vg {
delay_loop 6
lvs_sched rr
lvs_method NAT
protocol TCP
real_server 10.255.1.20 80 {
weight 3
TCP_CHECK {
connect_timeout 3
}
}
real_server 10.255.1.21 80 {
HTTP_GET {
url {
path /
status_code 200
}
}
}
}
"""
"""A file both daemons find nothing wrong with."""

MAIN = "k.conf"
_BLANKS = (" ", "\t", "  ", " \t ")


@dataclass
class Text:
    """The lines of the main file, and included files by name. `names` counts the names given away."""

    lines: list[str]
    files: dict[str, str] = field(default_factory=dict)
    names: int = 0

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"


Deed = Callable[[random.Random, Text], None]


def _some(chance: random.Random, text: Text) -> int:
    return chance.randrange(len(text.lines))


def _block(chance: random.Random, text: Text) -> tuple[int, int]:
    """First and last line of a whole block."""
    starts = [number for number, line in enumerate(text.lines) if line.endswith("{")]
    first = chance.choice(starts)
    depth = 0
    for number in range(first, len(text.lines)):
        depth += text.lines[number].count("{") - text.lines[number].count("}")
        if depth <= 0:
            return first, number
    return first, len(text.lines) - 1


def quote(chance: random.Random, text: Text) -> None:
    """A word gets quotes, but no brace: 2.2.7 takes a quoted one for the beginning of a block."""
    at = _some(chance, text)
    words = text.lines[at].split()
    places = [place for place, word in enumerate(words) if word not in "{}"]
    if places:
        place = chance.choice(places)
        words[place] = chance.choice(('"{}"', '"{}', '{}"', '""{}', '"{} x"', "'{}'", '"{}""y"')).format(words[place])
        text.lines[at] = " ".join(words)


def condition(chance: random.Random, text: Text) -> None:
    at = _some(chance, text)
    text.lines[at] = chance.choice(("@nohost ", "@^nohost ", "@ ", "@^ ", "@nohost", " @^nohost\t")) + text.lines[at]


def define(chance: random.Random, text: Text) -> None:
    """A word becomes a reference."""
    at = _some(chance, text)
    words = text.lines[at].split()
    if not words:
        return
    place = chance.randrange(len(words))
    name = text.fresh("W")
    text.lines[at] = " ".join(
        [
            *words[:place],
            chance.choice((f"${{{name}}}", f"${name}", f'"${{{name}}}"', f"x${{{name}}}")),
            *words[place + 1 :],
        ]
    )
    value = chance.choice(("{}", "{}", "{} ", '"{}"', "  {} # note", "")).format(words[place])
    text.lines.insert(chance.randrange(at + 1) if chance.random() < 0.8 else at + 1, f"${name}={value}")


def define_block(chance: random.Random, text: Text) -> None:
    """A block becomes a definition over several lines."""
    first, last = _block(chance, text)
    name = text.fresh("B")
    inside = text.lines[first : last + 1]
    if chance.random() < 0.15:
        inside.insert(chance.randrange(1, len(inside)), chance.choice(("", "# note", "  ")))
    head = f"${name}={inside[0]} \\" if chance.random() < 0.7 else f"${name}= \\\n{inside[0]} \\"
    body = [f"{line} \\" if line else line for line in inside[1:-1]]
    use = chance.choice((f"${name}", f"${{{name}}}", f"  ${name}  ", f"${name} # note", f"${{{name}}} x"))
    text.lines[first : last + 1] = [*head.split("\n"), *body, inside[-1], use]


def loop(chance: random.Random, text: Text) -> None:
    """A line is repeated by a loop."""
    at = _some(chance, text)
    line = text.lines[at]
    heads = (
        "~SEQ(I, 2)",
        "~SEQ(I,1,3)",
        "~SEQ(I, 5, -2, 1)",
        "~SEQx(I, 0x8, 11)",
        "~SEQ (I, 010, 9)",
        "~SEQ(I, 3, 1, 9)",
        "~SEQ(I)",
        "~SEQ(I, 2",
        "~SEQ(I, 1, 0, 4)",
        "~SEQ(I, 1, -1, 4)",
        "~SEQ(I, x)",
        "~SEQx(I, -1, 2)",
        "~SEQ(I, 2) ~SEQ(J, 2)",
        "~LST(I, 5, 6)",
        "~LST(I, 5)",
        "~LST({I,J}, {5,6}, {7,8})",
        "~LST({I}, {5,6})",
        "~LST(I)",
        "~LST(I, a b)",
        "~LST({I,J}, 5)",
    )
    line = re.sub(r"\d+(?=\D*$)", chance.choice(("$I", "${I}", "\\g<0>")), line, count=1)
    text.lines[at] = chance.choice(heads) + chance.choice(_BLANKS) + line


def include(chance: random.Random, text: Text) -> None:
    """Some lines move to a file."""
    first, last = _block(chance, text) if chance.random() < 0.7 else (at := _some(chance, text), at)
    name = text.fresh("part")
    lines = text.lines[first : last + 1]
    middle = chance.randrange(len(lines) + 1)
    kind = chance.randrange(6)
    text.files[f"{name}.a"] = "\n".join(lines[:middle]) + chance.choice(("\n", "", "\r\n"))
    text.files[f"{name}.b"] = "\n".join(lines[middle:]) + "\n"
    word = chance.choice(("include", "include", "includer", "includem", "includew", "includeb", "includea", "includez"))
    uses = (
        [f"{word} {name}.a", f"{word} {name}.b"],
        [f"{word} {name}.*"],
        [f"{word} {name}.{{a,b}}"],
        [f"{word} {name}.{{a,b,c}}"],
        [f"{word}\t./{name}.[ab]", f"{word} {name}.[cd]"],
        [f"{word} {name}.a", f"{word} {name}.b", f"{word} {name}.c"],
    )
    text.lines[first : last + 1] = uses[kind]


def repeat(chance: random.Random, text: Text) -> None:
    first, last = _block(chance, text) if chance.random() < 0.6 else (at := _some(chance, text), at)
    lines = text.lines[first : last + 1]
    at = chance.randrange(len(text.lines) + 1) if chance.random() < 0.3 else last + 1
    text.lines[at:at] = lines


def remove(chance: random.Random, text: Text) -> None:
    first, last = _block(chance, text) if chance.random() < 0.3 else (at := _some(chance, text), at)
    del text.lines[first : last + 1]


def move(chance: random.Random, text: Text) -> None:
    first, last = _block(chance, text)
    lines = text.lines[first : last + 1]
    del text.lines[first : last + 1]
    at = chance.randrange(len(text.lines) + 1)
    text.lines[at:at] = lines


def join(chance: random.Random, text: Text) -> None:
    """Line ends fall where braces are."""
    at = chance.randrange(len(text.lines) - 1)
    count = chance.randrange(1, 4)
    text.lines[at : at + count + 1] = [chance.choice(("", " ")).join(text.lines[at : at + count + 1])]


def split(chance: random.Random, text: Text) -> None:
    at = _some(chance, text)
    line = text.lines[at]
    if "{" in line:
        head, _, tail = line.partition("{")
        text.lines[at : at + 1] = [head, *chance.choice(([], [""], ["# note"], ["$Z=1"])), "{" + tail]


def clutter(chance: random.Random, text: Text) -> None:
    at = _some(chance, text)
    more = (
        " # note",
        " ! note",
        "#",
        ' "x',
        " x y",
        "\\",
        " \\",
        "\r",
        " }",
        " {",
        "\f",
        ' # "',
        " '",
        ' ""',
        "\\\\",
    )
    if chance.random() < 0.7:
        text.lines[at] += chance.choice(more)
    else:
        text.lines[at] = (
            chance.choice(("\t", "  ", "\f", "!", "x", "}", "{", '"" ', "~", "~x ", "$", "\\")) + text.lines[at]
        )


def number(chance: random.Random, text: Text) -> None:
    at = _some(chance, text)
    odd = (
        "0",
        "-1",
        "+3",
        "256",
        "65536",
        "4294967296",
        "99999999999999999999",
        "1.5",
        "0x10",
        "010",
        "7x",
        '"5"',
        '" 5"',
        "1e2",
        "",
    )
    text.lines[at] = re.sub(r"\d+(?=\D*$)", chance.choice(odd), text.lines[at], count=1)


def swap(chance: random.Random, text: Text) -> None:
    at = chance.randrange(len(text.lines) - 1)
    text.lines[at], text.lines[at + 1] = text.lines[at + 1], text.lines[at]


DEEDS: tuple[Deed, ...] = (
    quote,
    condition,
    define,
    define_block,
    loop,
    include,
    repeat,
    remove,
    move,
    join,
    split,
    clutter,
    number,
    swap,
)


def made(seed: int) -> tuple[list[str], dict[str, str]]:
    """Names of the deeds, and the files by name; `k.conf` is the main one."""
    chance = random.Random(seed)
    text = Text(SOUND.splitlines())
    deeds = [chance.choice(DEEDS) for _ in range(chance.choice((1, 1, 2, 2, 3, 4)))]
    for deed in deeds:
        deed(chance, text)
    return [deed.__name__ for deed in deeds], {MAIN: "\n".join(text.lines) + "\n", **text.files}


def write(files: dict[str, str], directory: Path) -> Path:
    """The main file of a fresh directory with these files."""
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_text(content, newline="")
    return directory / MAIN
