"""Configurations of others against what keepalived made of them: exit status, formatting, no crash.

The files are read where they lie; the machine they were measured on is rebuilt as data.
"""

from __future__ import annotations

import functools
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.fmt import format_text
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.load import LoadOptions, LoadResult, load
from pykeepalived.config.messages import config_test_lines, line, shown_by_config_test
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.config.source import Source, SourceOptions
from pykeepalived.config.values import Accounts, User
from tests.config.support import MAIN, SHARED

WILD = sorted((SHARED / "corpus" / "wild").glob("*.expect.json"))
SAMPLES = SHARED / "corpus" / "upstream-samples"
DEFECT_OF_2_2_7 = 143
MOST_RECORDED = 100
"""Messages kept of a recording; there were more."""


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def file_table(scripts: list[str]) -> FileTable:
    entries = {path: FileStat(FileKind.DIRECTORY) for path in ("/etc", "/etc/keepalived", "/run", "/var", "/var/run")}
    entries["/tmp"] = FileStat(FileKind.DIRECTORY, 0o1777)
    for script in scripts:
        entries[script] = FileStat(FileKind.FILE)
        folder = posixpath.dirname(script)
        while folder != "/":
            entries.setdefault(folder, FileStat(FileKind.DIRECTORY))
            folder = posixpath.dirname(folder)
    return FileTable(entries)


def machine(env: dict[str, Any] | None) -> Environment:
    """The environment a file was measured in; None = the bare one."""
    interfaces = {"lo": Interface(name="lo", index=1, flags=0x49, arp_type=772)}
    users, groups = [User("root", 0, 0), User("daemon", 1, 1), User("nobody", 65534, 65534)], {"root": 0, "daemon": 1}
    hosts: dict[str, Ip] = {}
    scripts: list[str] = []
    config_id = "lb1"
    if env is not None:
        for number, name in enumerate(env["interfaces"], 1):
            own = [InterfaceAddress(Ip.parse(f"10.255.{number}.1"), 24)]
            own += [InterfaceAddress(Ip.parse(address), 24) for address in env["addresses"]] if number == 1 else []
            interfaces[name] = Interface(name=name, index=number + 1, addresses=tuple(own))
        for uid, (name, *group) in enumerate(env["users"], 1000):
            groups.setdefault(group[0] if group else name, uid)
            users += [] if any(user.name == name for user in users) else [User(name, uid, uid)]
        hosts = {name: Ip.parse(f"192.0.2.{25 + number}") for number, name in enumerate(env["hosts"])}
        scripts = env["scripts"]
        config_id = env.get("config_id") or config_id
    named = set(env.get("netns", ())) if env is not None else set()
    return Environment(
        interfaces=interfaces,
        namespace_interfaces=lambda name: interfaces if name in named else None,
        hostname="lb1",
        config_id=config_id,
        accounts=Accounts(users, groups.items()),
        files=file_table(scripts),
        cpu_count=4,
        resolve=lambda name, port: hosts.get(name),
    )


def measured(path: Path) -> tuple[dict[str, Any], MemoryFiles]:
    expect = json.loads(path.read_text())
    conf = path.with_name(path.name.replace(".expect.json", ".conf"))
    extra = expect.get("extra_files", {})
    files = {name if name.startswith("/") else f"/etc/keepalived/{name}": text for name, text in extra.items()}
    return expect, MemoryFiles({MAIN: text_of(conf), **files})


@functools.cache
def judged(path: Path, mode: str) -> tuple[dict[str, Any], LoadResult]:
    """What was measured of a file, and our config test of it in the same environment, "provided" or "bare"."""
    expect, files = measured(path)
    environment = machine(expect["env"] if mode == "provided" else None)
    return expect, load(MAIN, environment, LoadOptions(files=files, config_test=True))


@pytest.mark.skipif(not WILD, reason="the corpus is not here")
@pytest.mark.parametrize("mode", ["provided", "bare"])
def test_exit_status_of_configurations_from_the_wild(mode: str) -> None:
    wrong = []
    for path in WILD:
        expect, result = judged(path, mode)
        later = expect.get("later_version") or {}
        key = "exit" if mode == "provided" else "exit_bare"
        wanted = {expect[key], later.get(key)} - {None, DEFECT_OF_2_2_7}
        if wanted and result.exit_status not in wanted:
            wrong.append((path.name, result.exit_status, wanted))
    assert wrong == []


MIXED = {"group-empty", "virtual-empty", "script-user-default"}
"""One code of ours for messages of which keepalived gives some a place."""


@pytest.mark.skipif(not WILD, reason="the corpus is not here")
def test_config_test_gives_a_line_its_place_where_keepalived_does() -> None:
    compared, wrong = 0, []
    for path in WILD:
        expect, result = judged(path, "provided")
        wanted = {*expect["messages"], *(expect.get("later_version") or {}).get("messages", ())}
        for finding in result.findings:
            text = finding.upstream or finding.message
            printed = line(finding)
            if not shown_by_config_test(finding) or finding.code in MIXED:
                continue
            places = {word for word in wanted if word.endswith(f") {text}") and word.startswith("(")}
            if text in wanted or places:
                compared += 1
                if (printed == text) is not (text in wanted):
                    wrong.append((path.name, finding.code, printed))
    assert wrong == []
    assert compared > 500


@pytest.mark.skipif(not WILD, reason="the corpus is not here")
@pytest.mark.parametrize("mode", ["provided", "bare"])
def test_missing_interfaces_are_summed_up_as_keepalived_does(mode: str) -> None:
    summary = "Non-existent interface specified in configuration"
    wrong = []
    for path in WILD:
        expect, result = judged(path, mode)
        told = expect["messages" if mode == "provided" else "messages_bare"]
        if expect["exit" if mode == "provided" else "exit_bare"] == DEFECT_OF_2_2_7 or len(told) == MOST_RECORDED:
            continue
        wanted = summary in told
        lines = config_test_lines(result.findings)
        if (lines[-1:] == [summary]) is not wanted:
            wrong.append((path.name, wanted, lines[-2:]))
    assert wrong == []


def switch(value: bool, on: str, off: str) -> str:
    return on if value else off


def dumped_values(instance: VrrpInstance) -> dict[str, str]:
    """The lines of keepalived's data dump that come from the configuration of an instance."""
    unit = "sec" if instance.version == 2 else "milli-sec"
    interval = instance.advert_int_us // (1_000_000 if instance.version == 2 else 1_000)
    return {
        "VRRP Version": str(instance.version),
        "Virtual Router ID": str(instance.virtual_router_id),
        "Priority": str(instance.priority),
        "Advert interval": f"{interval} {unit}",
        "Gratuitous ARP delay": str(instance.garp.master_delay_s),
        "Gratuitous ARP repeat": str(instance.garp.master_repeat),
        "Gratuitous ARP refresh": str(instance.garp.master_refresh_s),
        "Gratuitous ARP refresh repeat": str(instance.garp.master_refresh_repeat),
        "Gratuitous ARP lower priority delay": str(instance.garp.lower_prio_delay_s),
        "Gratuitous ARP lower priority repeat": str(instance.garp.lower_prio_repeat),
        "Down timer adverts": str(instance.down_timer_adverts),
        "Send advert after receive lower priority advert": switch(instance.lower_prio_no_advert, "false", "true"),
        "Send advert after receive higher priority advert": switch(instance.higher_prio_send_advert, "true", "false"),
        "Accept": switch(instance.accept, "enabled", "disabled"),
        "Preempt": switch(instance.nopreempt, "disabled", "enabled"),
        "Promote_secondaries": switch(instance.promote_secondaries, "enabled", "disabled"),
        "Using smtp notification": switch(instance.smtp_alert, "yes", "no"),
        "Notify priority changes": switch(instance.notify_priority_changes, "true", "false"),
    }


@pytest.mark.skipif(not WILD, reason="the corpus is not here")
def test_effective_values_of_instances_are_those_of_the_dumps() -> None:
    compared, wrong = 0, []
    for path in WILD:
        dump = path.with_name(path.name.replace(".expect.json", ".data"))
        sections = re.split(r"^ VRRP Instance = ", text_of(dump), flags=re.M)[1:] if dump.exists() else []
        expect, files = measured(path)
        loaded = load(MAIN, machine(expect["env"]), LoadOptions(files=files)).config if sections else None
        instances = {instance.name: instance for instance in loaded.vrrp_instances} if loaded is not None else {}
        for section in sections:
            section = section.partition("\n------<")[0]
            instance = instances[section.partition("\n")[0]]
            shown = dict(re.findall(r"^   ([A-Z][A-Za-z_ ]+?) = (.*)$", section, re.M))
            for key, value in dumped_values(instance).items():
                compared += key in shown
                if shown.get(key, value) != value:
                    wrong.append((path.name, instance.name, key, shown[key], value))
            addresses = re.search(r"^   Virtual IP \((\d+)\):", section, re.M)
            if len(instance.virtual_addresses) != (int(addresses[1]) if addresses else 0):
                wrong.append((path.name, instance.name, "addresses", "", ""))
    assert wrong == []
    assert compared > 2500


@pytest.mark.skipif(not WILD, reason="the corpus is not here")
def test_formatting_keeps_the_meaning_of_configurations_from_the_wild() -> None:
    for path in WILD:
        text = text_of(path.with_name(path.name.replace(".expect.json", ".conf")))
        shaped = format_text(text)
        assert format_text(shaped) == shaped, path.name
        assert statements(shaped) == statements(text), path.name


def statements(text: str) -> list[tuple[tuple[str, ...], bool, str]]:
    source = Source(MemoryFiles({MAIN: text}), SourceOptions(config_id="lb1", random=lambda low, high: low))
    source.read_file(MAIN)
    source.finish()
    return [(statement.words, statement.opens, statement.brace) for statement in source.statements]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the corpus is not here")
def test_exit_status_of_upstream_samples() -> None:
    import dataclasses

    from pykeepalived.config.environment import gather

    four = machine(
        {"interfaces": ["eth0", "eth1", "eth2", "eth3"], "addresses": [], "users": [], "hosts": [], "scripts": []}
    )
    environment = dataclasses.replace(gather(), interfaces=four.interfaces)
    wrong = []
    for row in (SAMPLES / "EXPECTED.tsv").read_text().splitlines()[1:]:
        name, old, _comment, new = row.split("\t")
        result = load(str(SAMPLES / name), environment, LoadOptions(config_test=True))
        if str(result.exit_status) not in (old, new):
            wrong.append((name, result.exit_status, old, new))
    assert wrong == []
