"""What a campaign needs: packages, programs, certificates, open files."""
import os
import resource
import shutil
import subprocess
import sys

from .brokers import certificate
from .options import ROOT, SCRATCH

OPEN_FILES = 16_000
OPPONENT = ROOT / "tests/bench/rumqttd/Cargo.toml"


def say(words):
    print(f"== {words}", file=sys.stderr, flush=True)


def prepare(options, scenes):
    install({"mosquitto": "mosquitto", "openssl": "openssl", "taskset": "util-linux"})
    if not options.no_build:
        build(scenes)
    make_certificate()
    allow_open_files(options, scenes)


def install(needs):
    path = os.environ["PATH"] + ":/usr/sbin"
    missing = [package for program, package in needs.items()
               if not shutil.which(program, path=path)]
    if not missing:
        return
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        sys.exit(f"scripts/bench needs Debian's {' '.join(missing)}: run `{' '.join(command)}`")
    say(f"installing {' '.join(missing)}")
    subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def build(scenes):
    say("building the release")
    cargo = ["cargo", "build", "--release", "--quiet"]
    subprocess.run(cargo, cwd=ROOT, check=True)
    if any("rumqttd" in scene.brokers for scene in scenes):
        say("building rumqttd")
        more = ["--manifest-path", OPPONENT, "--target-dir", SCRATCH, "--locked"]
        subprocess.run(cargo + more, cwd=ROOT, check=True)
    if any(scene.by in ("stored", "scale") for scene in scenes):
        say("building the filler of stores")
        subprocess.run([*cargo, "--example", "fill_store"], cwd=ROOT, check=True)


def make_certificate():
    """One for 127.0.0.1 that is its own authority; EC keys, as servers have today."""
    pem, key = certificate()
    if pem.exists():
        return
    pem.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "3650", "-subj", "/CN=homing bench",
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:false",
         "-keyout", key, "-out", pem],
        check=True, stderr=subprocess.DEVNULL)
    key.chmod(0o600)


def allow_open_files(options, scenes):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many = any("15000" in scene.words or scene.by == "scale" for scene in scenes)
    many = many and not options.quick
    if many and hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        sys.exit(f"scripts/bench: 15,000 connections need {OPEN_FILES} open files and {hard} are "
                 f"allowed: run `ulimit -n {OPEN_FILES}` first, or see --quick")
