"""The brokers: how each is started, ready, and stopped. Each is pinned to its core."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from .options import SCRATCH

START_SECONDS = 60
STOP_SECONDS = 30
RUMQTTD = SCRATCH / "release/rumqttd-opponent"
MOSQUITTO_LINES = """\
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 64
max_queued_messages 1000000
max_connections -1
log_type error
"""
# `off`: a fresh start is not a storm; mosquitto and rumqttd have no such limit either.
HOMING_SETTINGS = {
    "HOMING__AUTH__PROVIDER": "open",
    "HOMING__ACL__DEFAULT": "allow",
    "HOMING__LIMITS__CONNECT_RATE": "off",
    "HOMING__LOG__LEVEL": "error",
}


class NoBroker(Exception):
    """A broker that did not start, in words."""


def cores():
    return sorted(os.sched_getaffinity(0))


def pinned(place, words):
    """On the core of the broker (0) or of the generator (-1); `both` is on no core of its own."""
    if place == "both" or len(cores()) < 2:
        return [str(word) for word in words]
    return ["taskset", "-c", str(cores()[place]), *map(str, words)]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def certificate():
    return SCRATCH / "tls/server.pem", SCRATCH / "tls/server.key"


class Homing:
    """The listeners of all transports are there; the scene takes one."""
    name = "homing"

    def __init__(self, directory, scene, program):
        pem, key = map(str, certificate())
        tls = {"HOMING__LISTEN__MQTTS": '["127.0.0.1:0"]', "HOMING__TLS__CERTIFICATES":
               f"[{{cert={json.dumps(pem)}, key={json.dumps(key)}}}]"}
        web = {"HOMING__LISTEN__WS": '["127.0.0.1:0"]'}
        more = {"tls": tls, "ws": web}.get(scene.transport, {})
        words = [program, "serve", "--data", f"{directory}/data",
                 "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        settings = {**os.environ, **HOMING_SETTINGS, **more, **scene.settings}
        self.process = subprocess.Popen(pinned(scene.broker_core, words), env=settings,
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        if not ready.startswith("ready "):
            raise NoBroker(f"homing did not start: {ready}")
        addresses = dict(word.split("=", 1) for word in ready.split()[1:])
        name = {"tls": "mqtts", "ws": "ws"}.get(scene.transport, "mqtt")
        self.port = int(addresses[name].rsplit(":", 1)[1])


class Mosquitto:
    name = "mosquitto"

    def __init__(self, directory, scene, _program):
        self.port = free_port()
        config = pathlib.Path(directory, "mosquitto.conf")
        pem, key = certificate()
        more = {"tls": f"certfile {pem}\nkeyfile {key}\n", "ws": "protocol websockets\n"}
        # Alone, a listener for WebSocket counts as none, and mosquitto ends.
        other = f"listener {free_port()} 127.0.0.1\n" if scene.transport == "ws" else ""
        listener = f"{other}listener {self.port} 127.0.0.1\n" + more.get(scene.transport, "")
        if os.geteuid() == 0:
            # Else it becomes somebody who may not read the key.
            listener = "user root\n" + listener
        config.write_text(listener + MOSQUITTO_LINES)
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        words = pinned(scene.broker_core, [program, "-c", config])
        with open(f"{directory}/log", "wb") as log:
            self.process = subprocess.Popen(words, stderr=log)
        wait_for(self)


class Rumqttd:
    name = "rumqttd"

    def __init__(self, _directory, scene, _program):
        self.port = free_port()
        self.process = subprocess.Popen(pinned(scene.broker_core, [RUMQTTD, self.port]))
        wait_for(self)


BROKERS = {broker.name: broker for broker in (Homing, Mosquitto, Rumqttd)}


def wait_for(broker):
    """Until the port takes connections."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", broker.port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end or broker.process.poll() is not None:
                stop(broker.process)
                raise NoBroker(f"{broker.name} did not start") from None
            time.sleep(0.02)


def stop(process):
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(name, scene, options, directory):
    """A fresh broker for the time of one measurement."""
    broker = BROKERS[name](directory, scene, options.homing.resolve())
    try:
        yield broker
    finally:
        stop(broker.process)


@contextlib.contextmanager
def directory():
    """On the disk of the checkout: what /tmp is may have no disk."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH, prefix="run-") as path:
        yield path


def private_bytes(pid):
    """Memory that the process shares with nobody."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
    return 1024 * sum(kib)
