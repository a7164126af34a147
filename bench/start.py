"""Start: from exec to the first advert and to READY of systemd; memory. `python -m bench.start [ROUNDS]`."""

from __future__ import annotations

import socket
import sys
import time

from bench.figures import Row, markdown
from bench.floors import interpreter
from bench.processes import pss_bytes
from bench.rig import instances, rig


def measure(rounds: int) -> list[Row]:
    first = Row("start to the first advert (priority 255)", "ms", budget="<= 350")
    first.floor = interpreter()
    ready = Row("start to READY=1", "ms")
    memory = Row("memory of the whole daemon, one instance (PSS)", "MB", budget="<= 60")
    owner = instances(1, 255, 1).replace("BACKUP", "MASTER")
    for _ in range(rounds):
        for which in ("ours", "theirs"):
            with rig(which, owner, instances(1, 100, 1)) as pair:
                capture = pair.capture()
                path = pair.directory / "notify"
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                listener.bind(str(path))
                listener.settimeout(3)
                begin, wall = time.monotonic_ns(), time.time_ns()
                pair.a.notify_socket = str(path)
                pair.a.start()
                if which == "ours":
                    while b"READY=1" not in listener.recv(4096):
                        pass
                    ready.ours.append((time.monotonic_ns() - begin) / 1e6)
                pair.wait(lambda pair=pair: "MASTER" in pair.a.states.values(), 15)  # type: ignore[misc]
                pair.pause(0.5)
                adverts, _arps = capture.stop()
                getattr(first, which).append((min(item.at for item in adverts) - wall) / 1e6)
                assert pair.a.process is not None
                getattr(memory, which).append(pss_bytes(pair.a.process.pid) / 1e6)
                listener.close()
    return [first, ready, memory]


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)))
