"""The command line of `scripts/bench`."""
import argparse
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRATCH = ROOT / "target/bench"
HOMING = ROOT / "target/release/homing"
PAGE = ROOT / "docs"

ABOUT = """Puts homing beside Debian's mosquitto and rumqttd: the same generator and load, one run.

Each broker has one core and the generator another; each measurement has a fresh broker, and the
order of the brokers changes from round to round. All measurements are kept in a JSON file, from
which docs/performance.md and its charts are written. A look at one scene writes to target/bench.
"""


def parse(words=None):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="measurements of each scene and broker (3)")
    add("--seconds", type=int, default=5, help="measured time where a scene has one (5)")
    add("--only", default="", metavar="WORDS",
        help="only scenes with one of these words in their name, as in pairs,fanout")
    add("--quick", action="store_true", help="a short look: 1 round, 2 s, small numbers")
    add("--light", action="store_true", help="measure the build time too, which takes minutes")
    add("--homing", type=pathlib.Path, default=HOMING, metavar="PATH",
        help="the broker to measure, as in an older release; the generator stays")
    add("--no-build", action="store_true", help="the programs are built already")
    add("--json", type=pathlib.Path, metavar="FILE", help="where the measurements are kept")
    add("--add", action="store_true", help="keep what FILE has of other scenes")
    add("--render", type=pathlib.Path, metavar="FILE",
        help="write the page from FILE again, without measuring")
    add("--out", type=pathlib.Path, metavar="DIRECTORY",
        help="where the page goes (docs; target/bench after --quick and --only)")
    add("--list", action="store_true", help="name the scenes")
    return completed(parser.parse_args(words))


def completed(options):
    """What is not said follows from what is."""
    if options.quick:
        options.rounds, options.seconds = 1, 2
    look = (options.quick or options.only) and not (options.add or options.render)
    options.out = options.out or (SCRATCH if look else PAGE)
    options.json = options.json or options.out / "performance/results.json"
    return options
