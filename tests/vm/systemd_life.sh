#!/bin/bash
# A whole life under systemd as PID 1, run inside the guest: systemd_life.sh TREE
# TREE is what `make install DESTDIR=TREE PREFIX=/usr` made. Prints one `name=value` line a step, then the journal.
TREE=$1
tar -C "$TREE" -c . | tar -C / -x --keep-directory-symlink || exit 1
ip link set lo up
ip link add eth0 type veth peer name far0
ip link set far0 up
ip link set eth0 up
ip address add 192.0.2.1/24 dev eth0
mkdir -p /etc/keepalived
write() {
    cat >/etc/keepalived/keepalived.conf <<C
global_defs {
    enable_script_security
    script_user root
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 255
    version 3
    advert_int 0.5
    virtual_ipaddress {
        $1/24
    }
}
$2
C
}
has() { ip -o address show dev eth0 | grep -q " $1/" && echo yes || echo no; }
until_has() { for _ in $(seq 100); do [ "$(has "$1")" = "$2" ] && break; sleep 0.1; done; has "$1"; }
main() { systemctl show -P MainPID pykeepalived; }

echo 'DAEMON_ARGS="--all"' >/etc/default/keepalived
write 192.0.2.100 ""
systemctl daemon-reload
systemctl start pykeepalived
status=$?
echo "start=$status"
[ $status = 0 ] || { systemctl status pykeepalived; journalctl -u pykeepalived --no-pager; exit 1; }
echo "active=$(systemctl is-active pykeepalived)"
echo "status=$(systemctl show -P StatusText pykeepalived)"
echo "vip=$(until_has 192.0.2.100 yes)"
/usr/sbin/pykeepalived status >/tmp/status.txt 2>&1
echo "asked=$?"

write 192.0.2.101 ""
systemctl reload pykeepalived
echo "reload=$?"
echo "new_vip=$(until_has 192.0.2.101 yes)"
echo "old_vip=$(until_has 192.0.2.100 no)"

before=$(main)
write 192.0.2.102 "vrrp_instance VI_2 {
    interface nosuch0
    virtual_router_id 52
    virtual_ipaddress {
        192.0.2.103
    }
}"
systemctl reload pykeepalived
echo "bad_reload=$?"
sleep 1
echo "bad_reload_active=$(systemctl is-active pykeepalived)"
echo "bad_reload_kept=$(has 192.0.2.101)$(has 192.0.2.102)"
[ "$(main)" = "$before" ] && echo "bad_reload_same_process=yes"
write 192.0.2.101 ""

for name in vrrp checkers bfd; do
    child=$(cat /run/$name.pid)
    kill -9 "$child"
    for _ in $(seq 50); do [ "$(cat /run/$name.pid)" != "$child" ] && break; sleep 0.1; done
    [ "$(cat /run/$name.pid)" != "$child" ] && echo "${name}_replaced=yes"
done
echo "child_vip=$(until_has 192.0.2.101 yes)"

kill -9 "$before"
for _ in $(seq 100); do [ "$(main)" != "$before" ] && [ "$(systemctl is-active pykeepalived)" = active ] && break; sleep 0.1; done
echo "restarted=$(systemctl is-active pykeepalived)"
echo "restarted_vip=$(until_has 192.0.2.101 yes)"

systemctl stop pykeepalived
echo "stop=$?"
echo "stopped=$(systemctl is-active pykeepalived)"
echo "left_vip=$(has 192.0.2.101)"
echo "left_files=$(ls /run/keepalived.pid /run/vrrp.pid /run/checkers.pid /run/bfd.pid /run/keepalived 2>/dev/null | wc -w)"
echo "left_processes=$(pgrep -cf 'pykeepalived --dont-fork')"

sed 's/priority 255/priority 254/' /etc/keepalived/keepalived.conf >/etc/keepalived/lab.conf
# the interpreter may live below the home of the user who ran `make install`
chmod go+x /root
systemctl start pykeepalived-nonroot@lab
echo "nonroot_start=$?"
echo "nonroot_user=$(ps -o user= -p "$(systemctl show -P MainPID pykeepalived-nonroot@lab)")"
echo "nonroot_vip=$(until_has 192.0.2.101 yes)"
systemctl reload pykeepalived-nonroot@lab
echo "nonroot_reload=$?"
systemctl stop pykeepalived-nonroot@lab
echo "nonroot_left=$?$(has 192.0.2.101)"

# Debian's unit with our program in it
install -D -m 644 /usr/share/pykeepalived/keepalived.service.d/pykeepalived.conf \
    /etc/systemd/system/keepalived.service.d/pykeepalived.conf
systemctl daemon-reload
systemctl start keepalived
echo "alias_start=$?"
tr '\0' ' ' <"/proc/$(systemctl show -P MainPID keepalived)/cmdline" | grep -q /usr/sbin/pykeepalived && echo "alias_ours=yes"
echo "alias_vip=$(until_has 192.0.2.101 yes)"
systemctl reload keepalived
echo "alias_reload=$?"
systemctl stop keepalived
echo "alias_left=$?$(has 192.0.2.101)"
echo "--- journal"
journalctl -u pykeepalived --no-pager -o json | python3 -c '
import json, sys
for line in sys.stdin:
    entry = json.loads(line)
    print("|".join(str(entry.get(key, "")) for key in
        ("SYSLOG_IDENTIFIER", "PRIORITY", "PYKEEPALIVED_INSTANCE", "PYKEEPALIVED_VRID", "PYKEEPALIVED_STATE", "PYKEEPALIVED_CAUSE", "MESSAGE")))
'
