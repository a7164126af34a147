#!/bin/bash
# Faults that only a whole machine has, under systemd as PID 1, run inside the guest: systemd_faults.sh TREE
# A stopped and a stuck journal, a clock that is set, a memory limit. Prints one `name=value` line a step, then the journal.
TREE=$1
tar -C "$TREE" -c . | tar -C / -x --keep-directory-symlink || exit 1
ip link set lo up
ip link add eth0 type veth peer name far0
ip link set far0 up
ip link set eth0 up
ip address add 192.0.2.1/24 dev eth0
mkdir -p /etc/keepalived
cat >/etc/keepalived/keepalived.conf <<'C'
global_defs {
    enable_script_security
    script_user root
}
vrrp_script pulse {
    script "/bin/true"
    interval 1
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 255
    version 3
    advert_int 0.2
    virtual_ipaddress {
        192.0.2.100/24
    }
}
C
has() { ip -o address show dev eth0 | grep -q " $1/" && echo yes || echo no; }
until_has() { for _ in $(seq 100); do [ "$(has "$1")" = "$2" ] && break; sleep 0.1; done; has "$1"; }
sent() { timeout 20 /usr/sbin/pykeepalived metrics | awk '/^keepalived_advertisements_sent_total/ { print $NF }'; }
pids() { cat /run/keepalived.pid /run/vrrp.pid | tr '\n' ' '; }
# adverts of a while, in tenths of what there should be
share() { local before after; before=$(sent); sleep 4; after=$(sent); echo $(((after - before) * 10 / 20)); }

systemctl daemon-reload
systemctl start pykeepalived || { systemctl status pykeepalived; exit 1; }
echo "vip=$(until_has 192.0.2.100 yes)"
before=$(pids)
echo "quiet=$(share)"

# the journal does not read: nobody may wait for it
systemctl kill -s STOP systemd-journald
python3 - <<'P'
import socket
for path in ("/run/systemd/journal/dev-log", "/run/systemd/journal/socket"):
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        while True:
            sender.sendto(b"MESSAGE=filler\n", path)
    except BlockingIOError:
        print(f"{path} is full")
P
kill -HUP "$(cat /run/keepalived.pid)"
echo "journal_stuck=$(share)"
systemctl kill -s CONT systemd-journald
echo "journal_stuck_vip=$(has 192.0.2.100)"

# the journal is gone, and a transition is to be told
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald
ip link set eth0 down
sleep 1
ip link set eth0 up
ip address replace 192.0.2.1/24 dev eth0
echo "journal_gone_vip=$(until_has 192.0.2.100 yes)"
echo "journal_gone=$(share)"
systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald
sleep 1
kill -HUP "$(cat /run/keepalived.pid)"
sleep 2

# the clock is set back and forward
now=$(date +%s)
date -s "@$((now - 86400))" >/dev/null
echo "clock_back=$(share)"
date -s "@$((now + 86400 * 400))" >/dev/null
echo "clock_forward=$(share)"
date -s "@$((now + 20))" >/dev/null
echo "clock_vip=$(has 192.0.2.100)"

echo "same_processes=$([ "$(pids)" = "$before" ] && echo yes)"
systemctl stop pykeepalived

# memory runs out: what is killed is started again
mkdir -p /etc/systemd/system/pykeepalived.service.d
printf '[Service]\nMemoryMax=40M\nMemorySwapMax=0\n' >/etc/systemd/system/pykeepalived.service.d/memory.conf
systemctl daemon-reload
systemctl start pykeepalived
echo "memory_vip=$(until_has 192.0.2.100 yes)"
echo "memory_limit=$(cat /sys/fs/cgroup/system.slice/pykeepalived.service/memory.max)"
systemctl stop pykeepalived
echo "stopped=$(systemctl is-active pykeepalived)$(has 192.0.2.100)"
echo "left=$(ls /run | grep -E 'keepalived|vrrp|checkers|bfd' | tr '\n' ' ')$(ps -e -o comm= | grep -E 'keepalived' | tr '\n' ' ')"
echo "--- journal"
journalctl -u pykeepalived --no-pager -o cat
