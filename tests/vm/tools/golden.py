#!/usr/bin/env python3
"""Turn a raw timeline of lab.py into phases, print them, or compare a new run with the golden one.
  golden.py show    OUT_DIR [SCENARIO_DIR]          readable text
  golden.py make    OUT_DIR SCENARIO_DIR            (re)write expect.json and expect.txt in SCENARIO_DIR
  golden.py compare OUT_DIR SCENARIO_DIR [STEP [FIRST [strict]]]  differences to SCENARIO_DIR/expect.json, exit 1 if any; STEP, FIRST: time tolerances in
                                                    seconds inside a phase (0.6) and for its first line (2.3)
"""
import difflib, json, re, sys

DROP = re.compile(r"^Reload: |thread timer expired|Command line|^\s+'|Opening file|Configuration file /|built for newer|NOTICE|Starting Keepalived|CPU usage|Stopped|"
                  r"Running on|Built with|configure options|System options|Config options|Please log an issue|and include a full copy|"
                  r"copies of the keepalived|Script user 'keepalived_script'|read eventfd|Child process \d+ in our process group|^\s*--|Dirty|Assigned address fe80|Deassigned")
# not compared: lines of the VRRP and BFD processes, of the mailer, and those whose place depends on which process is faster
LOOSE = re.compile(r"Startup complete|Reload complete|Activating BFD|Registering|sockpool|removing VIPs|Assigned|Reinitializing|Initializing|pid=?\s?N|process\(N\)|\(parent exited|Remote SMTP server|SMTP alert successfully|"
                   r"^\([A-Z]\w*\) |^ +(min_tx|local|remote|Detection time)")
TUN = {0: "ipip", 1: "gue", 2: "gre"}


def opline(e):
    """one IPVS netlink request as text; only what the kernel uses for this command"""
    e = dict(e)
    for k in ("t", "kind", "flags_mask"):
        e.pop(k, None)
    op, err = e.pop("op"), e.pop("errno", None)
    p = [op]
    if "svc" in e:
        p.append(e.pop("svc"))
    if op.endswith("_DEST"):
        p.append("-> " + e["dst"])
        if op != "DEL_DEST":
            p += [e["fwd"], "w=%d" % e["weight"]]
            if e.get("u_thresh") or e.get("l_thresh"):
                p.append("u=%d l=%d" % (e.get("u_thresh", 0), e.get("l_thresh", 0)))
            if e["fwd"] == "tunnel":
                p.append("tun=" + TUN[e.get("tun_type", 0)])
                p += ["%s=%s" % (k, e[k]) for k in ("tun_port", "tun_flags") if e.get(k)]
    elif op != "DEL_SERVICE":
        p += ["%s=%s" % kv for kv in e.items()]
    if err:
        p.append("errno=%d" % err)
    return " ".join(p)


def norm(l):
    l = re.sub(r"\d+ usec", "N usec", l)
    l = re.sub(r"pid[ =]\d+|process\(\d+\)", lambda m: re.sub(r"\d+", "N", m.group(0)), l)
    return re.sub(r"fd\(\d+,\d+\)", "fd(F,F)", l)


def load(f):
    return [json.loads(x) for x in open(f)]


def phases(ev):
    ph, cur, t0 = [], None, 0
    for e in ev:
        k = e["kind"]
        if k == "action":
            if "phase" not in e:                            # a wait that ran out of time
                cur["after"].append(e["what"])
                continue
            if e.get("read"):
                continue
            if cur is None or e["phase"] != cur["n"]:
                cur = dict(n=e["phase"], after=[], t=round(e["t"], 2), ops=[], log=[], fifo=[], notify=[], mail=[], syncd=[], shell=[], backend=[], table=None)
                ph.append(cur)
            if e["what"].startswith("parent exited"):
                cur["log"].append([round(e["t"] - t0, 2), "(" + e["what"] + ")"])
            else:
                cur["after"].append(e["what"])
                t0 = e["t"]
            continue
        if cur is None:
            continue
        dt = round(e["t"] - t0, 2)
        if k == "ipvs":
            cur["ops"].append([dt, opline(e)])
        elif k == "log":
            if not DROP.search(e["line"]):
                cur["log"].append([dt, norm(e["line"])])
        elif k == "fifo":
            cur["fifo"] += [x for x in e["data"].replace("\0", "").split("\n") if x]
        elif k == "notify":
            cur["notify"].append(e["args"])
        elif k == "mail":
            d = e["dialogue"]
            if d and d[0].startswith("HELO"):
                sub = [x[11:] for x in d if x.startswith("| Subject: ")]
                i = d.index("| ") if "| " in d else -1
                cur["mail"].append([sub[0] if sub else "", d[i + 1][2:] if i >= 0 else ""])
            else:
                cur["mail"].append(["(connection without dialogue)", ""])
        elif k == "syncd":
            cur["syncd"].append(e["lines"])
        elif k == "sh":
            cur["shell"].append(e["out"])
        elif k == "backend":
            cur["backend"].append([e["rs"], e["what"], e["data"]])
        elif k == "state":
            cur["table"] = e["lines"]
    prev = []
    for p in ph:
        del p["n"]
        if p["table"] is None:
            p["table"] = prev
        prev = p["table"]
        p["notify"].sort()
        for k in ("notify", "mail", "syncd", "shell", "backend", "fifo"):
            if not p[k]:
                del p[k]
    return ph


def text(title, notes, ph):
    o = [title, "=" * len(title), ""]
    if notes:
        o += ["Note: " + notes, ""]
    for p in ph:
        o.append("--- t=%.2f  %s" % (p["t"], " ; ".join(a if len(a) < 400 else a[:400] + "..." for a in p["after"])))
        m = [(t, "op   " + x) for t, x in p["ops"]] + [(t, "log  " + x) for t, x in p["log"]]
        m.sort(key=lambda x: x[0])
        o += ["  +%.2f %s" % x for x in m]
        o += ["  fifo   " + f for f in p.get("fifo", [])]
        o += ["  script " + f for f in p.get("notify", [])]
        o += ["  mail   " + " | ".join(f) for f in p.get("mail", [])]
        o += ["  sync daemons: " + "; ".join(f) for f in p.get("syncd", [])]
        o += ["  %s %s: %s" % (f[0], f[1], json.dumps(f[2])) for f in p.get("backend", [])]
        for f in p.get("shell", []):
            o += ["  shell> " + x for x in f.rstrip("\n").split("\n")]
        o.append("  table" + ("" if p["table"] else " (empty)"))
        o += ["    " + x for x in p["table"]]
    return "\n".join(o) + "\n"


KEY = re.compile(r"-> (\S+)|(\[[0-9a-f.:]+\]:\w+:\d+)")
VSLINE = re.compile("quorum|sorry server|the pool|[A-Z]+_SERVICE")


def keyed(lines):
    """per server sequence: {server: [[time, line]..]}"""
    r = {}
    for l in lines:
        m = KEY.search(l[1])
        r.setdefault((m.group(1) or m.group(2)) if m else "", []).append(l)
    return r


def tidy(entry):
    """requests seen by a server: each kind once (their number depends on timing), DNS ids masked"""
    rs, what, data = entry
    out = []
    for x in data:
        x = re.sub("^[0-9a-f]{4}(?=01000001)", "xxxx", x) if isinstance(x, str) else x
        if x not in out:
            out.append(x)
    return [rs, what, out]


def compare(want, got, step=0.6, first=2.3, strict=False, optional=()):
    """list of differences; [] = the run behaves like the golden one.
    Order of operations and log lines: complete during the first half second after an action on the daemon (start, HUP, TERM), else per server
    (checkers of different servers run independently); strict: complete everywhere.  Sync daemon operations have their own order (other process).
    Time is not compared in the phase in which the daemon starts: how long an interpreter takes to load on a busy machine is not
    what is tested. Elsewhere the first line of a server in a phase may be up to `first` seconds away (the checks are not in step with the actions),
    the distance to its previous line must agree within `step` seconds.
    optional: patterns of operations and log lines that may be missing (side effects of upstream bugs nobody needs)."""
    out = []
    if optional:
        rx = re.compile("|".join(optional))
        want, got = ([dict(p, ops=[o for o in p["ops"] if not rx.search(o[1])], log=[l for l in p["log"] if not rx.search(l[1])]) for p in z] for z in (want, got))
    if [p["after"] for p in want] != [p["after"] for p in got]:
        return ["different sequence of actions (a wait ran out of time?):"] + list(difflib.unified_diff(
            ["; ".join(p["after"]) for p in want], ["; ".join(p["after"]) for p in got], "expected", "got", lineterm="", n=0))
    for i, (a, b) in enumerate(zip(want, got)):
        w = "phase %d (%s): " % (i, a["after"][-1][:60])

        def diff(key, x, y):
            out.extend(w + key + " " + l for l in difflib.unified_diff(x, y, lineterm="", n=0) if l[:2] not in ("--", "++", "@@"))
        for key in ("ops", "daemon ops", "log", "fifo", "notify", "mail", "syncd", "backend", "shell"):
            x, y = a.get(key.split()[-1], []), b.get(key.split()[-1], [])
            if key not in ("ops", "daemon ops", "log"):
                if key == "backend":
                    x, y = [tidy(l) for l in x], [tidy(l) for l in y]
                x, y = [str(l) for l in x], [str(l) for l in y]
                if key in ("notify", "mail") or (key == "fifo" and not strict):
                    x.sort(), y.sort()
                diff(key, x, y)
                continue
            if key == "log":
                x, y = ([l for l in z if not LOOSE.search(l[1])] for z in (x, y))
            else:
                x, y = ([l for l in z if ("_DAEMON" in l[1]) == (key == "daemon ops")] for z in (x, y))
            xs, ys = [l[1] for l in x], [l[1] for l in y]
            if strict or sorted(xs) != sorted(ys):
                diff(key, xs, ys)
                continue
            n = sum(1 for l in x if l[0] < 0.5) if re.search("^(start|signal)", a["after"][-1]) else 0
            if xs[:n] != ys[:n]:
                diff(key + " order", xs[:n], ys[:n])
            timed = not a["after"][-1].startswith("start")
            kx, ky = keyed(x), keyed(y)
            for k in kx:
                if [l[1] for l in kx[k]] != [l[1] for l in ky[k]]:
                    diff(key + " order", [l[1] for l in kx[k]], [l[1] for l in ky[k]])
                    continue
                pt = pu = None
                for (t, l), (u, _) in zip(kx[k], ky[k]):
                    if not timed:
                        continue
                    if VSLINE.search(l):
                        if abs(u - t) > first:
                            out.append(w + "%s at +%.2f, expected +%.2f: %s" % (key, u, t, l))
                    elif abs((u - t) if pt is None else (u - pu) - (t - pt)) > (first if pt is None else step):
                        out.append(w + "%s at +%.2f, expected +%.2f%s: %s" % (key, u, t, "" if pt is None else " (%.2f after the one before, expected %.2f)" % (u - pu, t - pt), l))
                    if not VSLINE.search(l):                # lines of a virtual server come from checks of several servers
                        pt, pu = t, u
        if a["table"] != b["table"]:
            out.append(w + "table %s, expected %s" % (b["table"], a["table"]))
    return out


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("show", "make", "compare"):
        sys.exit(__doc__)
    cmd, od, sd = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    ph = phases(load(od + "/timeline.jsonl"))
    j = json.load(open(sd + "/scenario.json")) if sd else {"title": od}
    if cmd == "show":
        sys.stdout.write(text(j["title"], j.get("notes", ""), ph))
    elif cmd == "make":
        json.dump(ph, open(sd + "/expect.json", "w"), indent=1)
        open(sd + "/expect.txt", "w").write(text(j["title"], j.get("notes", ""), ph))
    else:
        want = json.load(open(sd + "/expect.json"))
        if j.get("random"):                                 # checks run at random times: only operations and table
            for p in want + ph:
                p["log"] = p["shell"] = p["fifo"] = []
        d = compare(want, ph, *(float(x) for x in sys.argv[4:6] if x != "strict"), strict="strict" in sys.argv[4:], optional=j.get("optional", ()))
        print("\n".join(d) if d else "same")
        sys.exit(bool(d))
