#!/bin/bash
# Run one scenario in the VM and record it:  run.sh [-k uml|qemu] SCENARIO_DIR OUT_DIR "DAEMON COMMAND"
# (DAEMON COMMAND: a path of this machine, or "python -m package"; the options -n -l -D -f .. -p .. -c .. -r .. -b .. are added.)
# then: golden.py compare OUT_DIR SCENARIO_DIR
HERE=$(cd "$(dirname "$0")" && pwd)
VM=${VM_SH:-$HERE/../machine/vm.sh}
K=uml; [ "$1" = -k ] && { K=$2; shift 2; }
[ $# -eq 3 ] || { sed -n 2,4p "$0"; exit 2; }
LIMIT=$(python3 - "$1" <<'P'
import json, sys
st = json.load(open(sys.argv[1] + "/scenario.json"))["steps"]
print(int(60 + sum(s.get("s", 0) for s in st) * 1.5 + sum(s.get("timeout", 20) for s in st if s["do"].startswith("wait"))))
P
)
[ $K = qemu ] && LIMIT=$((LIMIT * 3))
for try in 1 2; do                      # rarely (1 of 250) a UML guest hangs; the time limit ends it, a second try gets through
	D=$(mktemp -d); mkdir $D/result; cp -r "$HERE" $D/tools; cp -r "$1" $D/sc
	"$VM" -k $K -t $LIMIT -d $D -- bash -c 'mkdir -p /tmp/lab; mount -t tmpfs tmpfs /tmp/lab; modprobe ipv6; exec python3 -B /mnt/share/tools/lab.py /mnt/share/sc "$0" /mnt/share/result' "$3"
	RC=$?
	mkdir -p "$2"; cp $D/result/* "$2"/ 2> /dev/null; rm -rf $D
	[ $RC -eq 124 ] || break
done
exit $RC
