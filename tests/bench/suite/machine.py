"""Where and with what was measured: machine, disk, versions."""
import datetime
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import time

from .brokers import cores, directory
from .options import HOMING, ROOT

SYNCS = 200
PAGE_BYTES = 16 * 1024


def output(*words):
    done = subprocess.run([str(word) for word in words], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip()


def field(path, name):
    found = re.search(rf"^{name}\s*[:=]\s*(.*)$", pathlib.Path(path).read_text(), re.M)
    return found.group(1).strip().strip('"') if found else "unknown"


def fsync_ms():
    """Appending a page and waiting for the disk, as a commit does."""
    took = []
    with directory() as place, open(f"{place}/sync", "wb", buffering=0) as file:
        for _ in range(SYNCS):
            begun = time.perf_counter()
            file.write(bytes(PAGE_BYTES))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return {"p50": round(statistics.median(took), 3), "p99": round(took[SYNCS * 99 // 100], 3)}


def machine():
    return {
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": len(cores()),
        "memory_gib": round(int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "system": field("/etc/os-release", "PRETTY_NAME"),
        "kernel": platform.release(),
        "fsync_ms": fsync_ms(),
    }


def versions(homing):
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    number = output(homing, "--version").split()[-1]
    commit = f" ({output('git', 'describe', '--always', '--dirty')})"
    lock = (ROOT / "tests/bench/rumqttd/Cargo.lock").read_text()
    return {
        "homing": number + (commit if homing == HOMING else ""),
        "rumqttd": re.search(r'name = "rumqttd"\nversion = "(.*)"', lock).group(1),
        "mosquitto": output(mosquitto, "-h").split()[2],
        "rustc": output("rustc", "--version").split()[1],
    }


def today():
    return datetime.date.today().isoformat()
