#!/usr/bin/env python3
"""Run one IPVS scenario and record a merged timeline.  usage: lab.py SCENARIO_DIR KEEPALIVED OUT_DIR"""
import json, os, re, select, signal, socket, subprocess, sys, threading, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nlipvs

SC, KA, OUT = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))
WORK = "/tmp/lab"
os.makedirs(WORK, exist_ok=True)
os.makedirs(OUT, exist_ok=True)
sc = json.load(open(os.path.join(SC, "scenario.json")))
T0 = None
events = []
lock = threading.Lock()
stop = False


def sh(c, check=False):
    return subprocess.run(c, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=check)


def add(kind, t=None, **kw):
    with lock:
        events.append((time.monotonic() if t is None else t, kind, kw))


# ---------------------------------------------------------------- topology
N = sc.get("real_servers", 4)
sh("ip link set lo up; sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; modprobe ip_vs; modprobe bridge; modprobe dummy; modprobe nlmon")
sh("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.10.0.1/24 dev br0; ip -6 addr add fd00:10::1/64 dev br0 nodad")
sh("ip link add vip0 type dummy; ip link set vip0 up; ip link add nlmon0 type nlmon; ip link set nlmon0 up")
procs = {}
for i in range(1, N + 1):
    n = "rs%d" % i
    sh(f"ip netns add {n}; ip link add {n}h type veth peer name eth0 netns {n}; ip link set {n}h master br0 up;"
       f"ip -n {n} link set lo up; ip netns exec {n} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0;"
       f"ip -n {n} addr add 10.10.0.{10+i}/24 dev eth0; ip -n {n} -6 addr add fd00:10::1{i}/64 dev eth0 nodad; ip -n {n} link set eth0 up; ip -n {n} route add default via 10.10.0.1")
    procs[n] = subprocess.Popen(["ip", "netns", "exec", n, sys.executable, HERE + "/backend.py", n, f"{WORK}/{n}.ctl"])
for i in range(1, N + 1):
    while not os.path.exists(f"{WORK}/rs{i}.ctl"):
        time.sleep(0.05)
ctl = {}


def backend(rs, **c):
    if rs not in ctl:
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{WORK}/{rs}.ctl")
        ctl[rs] = s.makefile("rw")
    i = int(rs[2:])
    if c.get("op") == "open":
        c.setdefault("hosts", ["10.10.0.%d" % (10 + i)] if c["kind"] in ("udp", "dns", "bfd") else ["10.10.0.%d" % (10 + i), "fd00:10::1%d" % i])
        if c["kind"] == "https":
            c["cert"] = WORK + "/cert.pem"
            if not os.path.exists(c["cert"]):
                sh(f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {WORK}/k.pem -out {WORK}/c.pem -days 3650 -subj /CN=rs.example; cat {WORK}/k.pem {WORK}/c.pem > {c['cert']}")
    ctl[rs].write(json.dumps(c) + "\n")
    ctl[rs].flush()
    r = json.loads(ctl[rs].readline())
    if isinstance(r, str) and r.startswith("ERR"):
        print("backend error", rs, c, r)
    return r


# ---------------------------------------------------------------- recorders
rec = nlipvs.Recorder()
last = [None]


def snap():
    r = sh("ipvsadm -Sn")
    return [l for l in r.stdout.splitlines() if l.strip()]


def daemon_snap():
    return [l.strip() for l in sh("ipvsadm -Ln --daemon").stdout.splitlines() if l.strip()]


busy = [0.0]
take_lock = threading.Lock()


def take():
    with take_lock:
        s = snap()
        if s != last[0]:
            last[0] = s
            add("state", lines=s)


def settle():
    """end of a phase: wait until neither log nor netlink moved for 0.15 s (at most 1 s), then look at the table"""
    end = time.monotonic() + 1
    while time.monotonic() < end and time.monotonic() - busy[0] < 0.15:
        time.sleep(0.02)
    take()


def recorder():
    dirty, when = True, 0
    while not stop:
        select.select([rec.s], [], [], 0.02)
        for t, ev in rec.poll():
            add("ipvs", t, **{"ev": ev})
            dirty, when = True, time.monotonic()
            busy[0] = when
        if dirty and time.monotonic() - when > 0.06:
            dirty = False
            take()


NS = f"{WORK}/notify.log"
open(NS, "w").close()
with open(f"{WORK}/notify.sh", "w") as f:
    f.write(f"#!/bin/sh\nread u x < /proc/uptime\necho \"$u|$*\" >> {NS}\n")
os.chmod(f"{WORK}/notify.sh", 0o755)
with open(f"{WORK}/misc.sh", "w") as f:
    f.write(f"#!/bin/sh\nexit $(cat {WORK}/$1 2>/dev/null || echo 0)\n")
os.chmod(f"{WORK}/misc.sh", 0o755)

fifo = f"{WORK}/lvs.fifo"
os.mkfifo(fifo, 0o600)
ff = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)


def fifo_thread():
    while not stop:
        r, _, _ = select.select([ff], [], [], 0.1)
        if r:
            add("fifo", data=os.read(ff, 65536).decode("latin1"))


mails = []


def smtp_sink():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 2525))
    s.listen(16)
    s.settimeout(0.2)

    def one(c):
        f = c.makefile("rwb")
        tr = []

        def w(x):
            f.write(x.encode() + b"\r\n")
            f.flush()
        try:
            w("220 sink")
            while True:
                l = f.readline()
                if not l:
                    break
                l = l.decode().rstrip("\r\n")
                tr.append(l)
                if l == "DATA":
                    w("354 go")
                    while True:
                        d = f.readline().decode().rstrip("\r\n")
                        tr.append("| " + d)
                        if d == ".":
                            break
                    w("250 ok")
                elif l == "QUIT":
                    w("221 bye")
                    break
                else:
                    w("250 ok")
        except Exception as e:
            tr.append(repr(e))
        add("mail", dialogue=tr)
        c.close()
    while not stop:
        try:
            c, _ = s.accept()
        except socket.timeout:
            continue
        c.settimeout(20)
        threading.Thread(target=one, args=(c,), daemon=True).start()


threads = [threading.Thread(target=t, daemon=True) for t in (recorder, fifo_thread, smtp_sink)]
for t in threads:
    t.start()

ka = None
loglines = []
LOGRE = re.compile(r"^(?:\w{3} \w{3}\s+\d+ [\d:.]+ \d{4}: )?(.*)$")


def log_thread(p):
    for l in p.stdout:
        t = time.monotonic()
        busy[0] = t
        m = LOGRE.match(l.rstrip("\n"))
        loglines.append((t, m.group(1)))
        add("log", t, line=m.group(1))


def start(conf, args):
    global ka, T0
    dst = f"{WORK}/keepalived.conf"
    sh(f"cp {SC}/{conf} {dst}")
    settle()
    while select.select([rec.s], [], [], 0.1)[0]:           # what was done before is to be noted before
        time.sleep(0.05)
    a = KA.split() + ["-n", "-l", "-D", "-f", dst, "-p", f"{WORK}/p.pid", "-c", f"{WORK}/c.pid", "-r", f"{WORK}/v.pid", "-b", f"{WORK}/b.pid"] + args
    ka = subprocess.Popen(a, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
    T0 = time.monotonic()
    add("action", T0, what="start " + conf)
    threading.Thread(target=log_thread, args=(ka,), daemon=True).start()


def ready(timeout=120):
    """Wait until the daemon has started: how long an interpreter takes to load on a busy machine is not what is tested."""
    end = time.monotonic() + timeout
    while time.monotonic() < end and not any("Startup complete" in l for _, l in loglines):
        time.sleep(0.01)
    lead[0] = 0.3


lead = [0.0]                                # the recorded daemon needed this long to start: the next sleep is that much shorter


def wait_log(rx, timeout, since):
    r = re.compile(rx)
    end = time.monotonic() + timeout
    i = since
    while time.monotonic() < end:
        while i < len(loglines):
            if r.search(loglines[i][1]):
                return i + 1
            i += 1
        time.sleep(0.02)
    add("action", what="TIMEOUT waiting for log /%s/" % rx)
    print("TIMEOUT", rx)
    return since


mark = 0
phase, acted, daemon, waited = 0, False, False, False
_add = add


def add(kind, t=None, **kw):
    if kind == "action" and not kw["what"].startswith("TIMEOUT"):
        kw["phase"] = phase
        if reading:
            kw["read"] = True
    _add(kind, t, **kw)


# A phase = the actions between two waits (at most one action on the daemon in it) and all that happens until the next one.
for st in sc["steps"]:
    st = dict(st)
    d = st.pop("do")
    reading = d == "daemon" or (d == "sh" and st.get("record")) or (d == "backend" and st["op"] in ("requests", "sni"))
    if d in ("sleep", "wait_log", "wait_state"):
        waited = acted
    elif reading:
        settle()
    else:
        dm = d in ("start", "signal", "child_signal", "stop", "wait_exit")
        if acted and (waited or (dm and daemon)):
            settle()
            phase, daemon, waited = phase + 1, False, False
        acted, daemon = True, daemon or dm
    if d == "start":
        start(st.get("conf", "keepalived.conf"), st.get("args", []))
        ready()
    elif d == "conf":
        sh(f"cp {SC}/{st['conf']} {WORK}/keepalived.conf")
        add("action", what="install " + st["conf"])
    elif d == "signal":
        add("action", what="signal %s to parent" % st["sig"])
        ka.send_signal(getattr(signal, "SIG" + st["sig"]))
    elif d == "child_signal":
        add("action", what="signal %s to checker" % st["sig"])
        os.kill(int(open(f"{WORK}/c.pid").read()), getattr(signal, "SIG" + st["sig"]))
    elif d == "sleep":
        time.sleep(max(0, st["s"] - lead[0]))
        lead[0] = 0.0
    elif d == "wait_log":
        mark = wait_log(st["re"], st.get("timeout", 20), mark if not st.get("any") else 0)
    elif d == "backend":
        what = dict(st)
        rs = st.pop("rs")
        add("action", what="backend " + json.dumps(what, sort_keys=True))
        r = backend(rs, **st)
        if st["op"] in ("requests", "sni"):
            add("backend", what=st["op"], rs=rs, data=r)
    elif d == "sh":
        add("action", what="sh " + st["cmd"])
        r = sh(st["cmd"])
        if st.get("record") or r.returncode:
            add("sh", cmd=st["cmd"], rc=r.returncode, out=r.stdout)
    elif d == "wait_state":
        end = time.monotonic() + st.get("timeout", 20)
        while bool(re.search(st["re"], "\n".join(last[0] or []), re.M)) == bool(st.get("absent")) and time.monotonic() < end:
            time.sleep(0.02)
        if time.monotonic() >= end:
            print("TIMEOUT state", st)
            add("action", what="TIMEOUT waiting for state " + st["re"])
    elif d == "daemon":
        add("syncd", lines=daemon_snap())
    elif d == "stop":
        add("action", what="signal TERM to parent")
        ka.send_signal(signal.SIGTERM)
        try:
            rc = ka.wait(15)
        except subprocess.TimeoutExpired:
            rc = "timeout"
            ka.kill()
        add("action", what="parent exited rc=%s" % rc)
    elif d == "wait_exit":
        rc = ka.wait(st.get("timeout", 15))
        add("action", what="parent exited rc=%s" % rc)
time.sleep(0.3)
settle()
n = rec.drops()
if n:
    print("RECORDER LOST", n)
    _add("action", what="TIMEOUT recorder lost %d packets" % n)
stop = True
if ka and ka.poll() is None:
    ka.kill()
for p in procs.values():
    p.terminate()
time.sleep(0.1)
up0 = time.monotonic()
T0 = T0 or up0
boot = float(open("/proc/uptime").read().split()[0]) - time.monotonic()
for l in open(NS):
    u, a = l.rstrip("\n").split("|", 1)
    events.append((float(u) - boot, "notify", {"args": a}))
events.sort(key=lambda e: e[0])
with open(f"{OUT}/timeline.jsonl", "w") as f:
    for t, k, kw in events:
        r = {"t": round(t - T0, 3), "kind": k}
        if k == "ipvs":
            r.update(kw["ev"])
        else:
            r.update(kw)
        f.write(json.dumps(r) + "\n")
print("events", len(events))
