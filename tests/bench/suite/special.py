"""Scenes that are more than the generator: the binary itself, and stores that are full."""
import dataclasses
import os
import re
import shutil
import socket
import subprocess
import time

from .brokers import NoBroker, private_bytes, running
from .options import ROOT, SCRATCH
from .scenes import away

PUBLISH = 3


def light(scene, broker, options, place, _generate):
    """Sizes, memory after the start, crates; the build time only if it is asked for."""
    program = options.homing.resolve()
    stripped = f"{place}/stripped"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    figures = {
        "binary_bytes": program.stat().st_size,
        "stripped_bytes": os.stat(stripped).st_size,
        "crates": crates(),
    }
    with running(broker, scene, options, place) as peer:
        status = open(f"/proc/{peer.process.pid}/status").read()
        figures["rss_at_start_bytes"] = 1024 * int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
        figures["private_at_start_bytes"] = private_bytes(peer.process.pid)
    if options.light:
        figures["build_seconds"] = build_seconds(place)
    return figures, ""


def crates():
    """Packages of the default build, homing itself not counted; those of the build too."""
    words = ["cargo", "tree", "--package", "homing", "--edges", "normal,build", "--prefix", "none",
             "--format", "{p}", "--no-dedupe"]
    tree = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    names = {" ".join(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    return len(names) - 1


def build_seconds(place):
    """From a clean target directory; what cargo has to fetch is there already."""
    words = ["cargo", "build", "--release", "--quiet", "--target-dir", f"{place}/target"]
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=ROOT, check=True)
    begun = time.monotonic()
    subprocess.run(words, cwd=ROOT, check=True)
    return round(time.monotonic() - begun)


def fill(place, users, with_mail, each):
    """A copy of a store with so many users; it is filled once and kept beside the programs."""
    kept = SCRATCH / f"stores/{users}-{with_mail}-{each}"
    if not (kept / "done").exists():
        shutil.rmtree(kept, ignore_errors=True)
        filler = ROOT / "target/release/examples/fill_store"
        subprocess.run([str(word) for word in (filler, kept, users, with_mail, each)], check=True)
        (kept / "done").touch()
    shutil.copytree(kept, f"{place}/data")
    os.chmod(f"{place}/data", 0o700)
    os.remove(f"{place}/data/done")


def stored(scene, broker, options, place, generate):
    """The generator, with mail of others in the store: 1,000 users, as many messages as named."""
    fill(place, 1000, 1000, int(scene.name.rsplit("-", 1)[1]) // 1000)
    with running(broker, scene, options, place) as peer:
        return generate(scene, broker, peer)


def scale(scene, broker, options, place, generate):
    """1,000,000 users, 100,000 of them with 10 messages; then the same with an empty store."""
    users, with_mail = away(options)
    os.makedirs(f"{place}/empty")
    empty = connected(scene, broker, options, f"{place}/empty", generate)
    fill(place, users, with_mail, 10)
    restart = first_delivery(scene, broker, options, place, f"known-{users - 1}")
    full = connected(scene, broker, options, place, generate)
    grown = full["after"] - empty["after"]
    return {
        **restart,
        "start_growth_bytes": full["before"] - empty["before"],
        "away_growth_percent": 100 * grown / empty["after"],
        "full_bytes": full["after"],
        "empty_bytes": empty["after"],
        "store_bytes": sum(entry.stat().st_size for entry in os.scandir(f"{place}/data")),
    }, ""


def connected(scene, broker, options, place, generate):
    """Private memory of a broker at its start and with connections."""
    count = 1000 if options.quick else 15_000
    words = ("idle", "-c", str(count), "--hold", "3s", "-k", "300", "-u", "known-{n}")
    with running(broker, scene, options, place) as peer:
        before = private_bytes(peer.process.pid)
        figures, broken = generate(dataclasses.replace(scene, words=words), broker, peer)
        if broken:
            raise NoBroker(broken)
    return {"before": before, "after": figures["memory_bytes_after"]}


def first_delivery(scene, broker, options, place, uid):
    """From the start of the process to the first message of a device that was away."""
    begun = time.monotonic()
    with running(broker, scene, options, place) as peer:
        ready = time.monotonic()
        with socket.create_connection(("127.0.0.1", peer.port), timeout=60) as link:
            # A PINGREQ ends the settle time: this is no script that only publishes.
            link.sendall(connect(uid, "phone") + b"\xc0\x00")
            read_until_publish(link)
        done = time.monotonic()
    return {"ready_ms": 1000 * (ready - begun), "restart_ms": 1000 * (done - begun)}


def connect(uid, device):
    """MQTT 3.1.1: clean session, a user name, a keep alive of 60 s."""
    def text(words):
        return len(words).to_bytes(2, "big") + words.encode()
    body = text("MQTT") + bytes([4, 0x82, 0, 60]) + text(device) + text(uid)
    return bytes([0x10, len(body)]) + body


def read_until_publish(link):
    """The packets before it, CONNACK and PINGRESP, say their length in their second byte."""
    got = b""
    while not got or got[0] >> 4 != PUBLISH:
        if len(got) >= 2 and len(got) >= 2 + got[1]:
            got = got[2 + got[1]:]
            continue
        more = link.recv(4096)
        if not more:
            raise NoBroker("homing closed the connection before the first message")
        got += more


# Who measures a scene that is more than the generator.
SPECIAL = {"light": light, "stored": stored, "scale": scale}
