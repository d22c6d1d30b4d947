"""Rounds of measurements: each scene and broker in turn, and the file that keeps them."""
import json
import os
import subprocess

from . import special
from .brokers import NoBroker, certificate, directory, pinned, running
from .machine import machine, today, versions
from .options import HOMING, parse
from .prepare import say
from .scenes import command
from .scenes import scenes as scenes_of

# The longest that any measurement may take; then it hangs.
HANG_SECONDS = 300


def order(brokers, turn):
    """Another first from round to round, so that none always comes after the same."""
    at = turn % len(brokers)
    return brokers[at:] + brokers[:at]


def campaign(options, scenes):
    """Measures; the file is written after each scene, so that an end loses nothing."""
    kept = kept_of(options, {scene.name for scene in scenes})
    results = {
        "date": today(), "machine": machine(), "versions": versions(options.homing.resolve()),
        "rounds": options.rounds, "seconds": options.seconds, "quick": options.quick,
        "scenes": in_order({**kept["scenes"], **{scene.name: about(scene) for scene in scenes}}),
        "runs": kept["runs"],
    }
    for turn in range(options.rounds):
        for scene in scenes:
            for broker in order(scene.brokers, turn):
                say(f"round {turn + 1} of {options.rounds}: {scene.name}, {broker}")
                results["runs"].append(run(scene, broker, turn + 1, options))
            save(results, options.json)
    return results


def kept_of(options, measured):
    """What the file has of scenes that are not measured now."""
    if not (options.add and options.json.exists()):
        return {"scenes": {}, "runs": []}
    old = json.loads(options.json.read_text())
    scenes = {name: about for name, about in old["scenes"].items() if name not in measured}
    return {"scenes": scenes, "runs": [run for run in old["runs"] if run["scene"] in scenes]}


def in_order(abouts):
    """As the scenes stand in scenes.py, whenever each was measured."""
    places = {scene.name: place for place, scene in enumerate(scenes_of(parse([])))}
    return dict(sorted(abouts.items(), key=lambda one: places.get(one[0], len(places))))


def about(scene):
    commands = {broker: command(scene, broker) for broker in scene.brokers}
    return {"title": scene.title, "commands": commands}


def save(results, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def run(scene, broker, turn, options):
    load = round(os.getloadavg()[0], 2)
    try:
        figures, broken = measured(scene, broker, options)
    except NoBroker as failure:
        figures, broken = {}, str(failure)
    except subprocess.TimeoutExpired:
        figures, broken = {}, f"not done within {HANG_SECONDS} s"
    if broken:
        say(f"{broker}: {broken}")
    return {"scene": scene.name, "broker": broker, "round": turn, "load": load,
            "broken": broken, "figures": figures}


def measured(scene, broker, options):
    """The figures, and in words what the broker broke."""
    with directory() as place:
        if scene.by in special.SPECIAL:
            return special.SPECIAL[scene.by](scene, broker, options, place, generate)
        with running(broker, scene, options, place) as peer:
            return generate(scene, broker, peer)


def generate(scene, broker, peer):
    """Lets the generator play a scene against a broker that runs."""
    more = scene.homing if broker == "homing" else ()
    secure = {"tls": ("--ca", certificate()[0]), "ws": ("--ws",)}.get(scene.transport, ())
    words = [HOMING, "bench", *scene.words, *more, *secure, "-p", peer.port,
             "--pid", peer.process.pid, "--json", "--quiet"]
    done = subprocess.run(pinned(scene.generator_core, words), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=HANG_SECONDS)
    words = done.stderr.strip().splitlines()
    broken = words[-1] if done.returncode and words else ""
    return (json.loads(done.stdout) if done.stdout.strip() else {}), broken
