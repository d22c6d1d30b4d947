"""Scenes that are more than the generator: the binary itself, and stores that are full."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

from .brokers import pinned, private_bytes, running
from .options import ROOT, SCRATCH
from .scenes import Scene


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
