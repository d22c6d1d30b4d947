"""Measures, or takes what was measured, and writes the page."""
import json
import sys

from . import page
from .campaign import campaign
from .options import parse
from .prepare import prepare
from .scenes import scenes


def main():
    options = parse()
    chosen = scenes(options)
    if options.list:
        print("\n".join(f"{scene.name:<28}{scene.title}" for scene in chosen))
        return
    if not chosen:
        sys.exit(f"scripts/bench: no scene is called {options.only}: see --list")
    if options.render:
        results = json.loads(options.render.read_text())
    else:
        prepare(options, chosen)
        results = campaign(options, chosen)
    written = list(page.write(results, options.out))
    print(*written, sep="\n")
