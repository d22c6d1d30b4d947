"""docs/performance.md and its charts, from results; pure but for the writing."""
import json

from . import bars, text
from .chart import chart
from .figures import FIGURES, number, one, shown
from .medians import Table, spread

# Where the results and the charts are, from the page.
FOLDER = "performance"

# Sections with the figures that each shows for every broker.
FIGURES_OF = {
    "pairs": ("cpu_us_per_message", "messages_per_second", "latency_ms_p99"),
    "paced": ("cpu_us_per_message", "messages_per_second", "latency_ms_p50", "latency_ms_p99"),
    "idle": ("memory_bytes_per_connection", "connects_per_second", "idle_cpu_percent"),
    "drain": ("messages_per_second", "cpu_us_per_message", "lost", "out_of_order"),
    "growth": ("cpu_us_per_message",),
    "workers": ("messages_per_second", "cpu_us_per_message"),
}
SCENES_OF = {"pairs": ("pairs", "inbox", "fanout")}
ALONE = ("scale", "light")


def scenes_of(section, table):
    fronts = SCENES_OF.get(section, (section,))
    return [name for name in table.scenes if name.startswith(fronts)]


def grid(head, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def section_table(section, table):
    rows = []
    for scene in scenes_of(section, table):
        for at, broker in enumerate(table.brokers(scene)):
            title = table.scenes[scene]["title"] if at == 0 else ""
            mark = " (*)" if table.busy(scene, broker) else ""
            cells = [shown(figure, table.spread(scene, broker, figure))
                     for figure in FIGURES_OF[section]]
            if table.broken(scene, broker):
                mark += " (!)"
            rows.append([title, broker + mark, *cells])
    return grid(["", "broker", *(FIGURES[figure][0] for figure in FIGURES_OF[section])], rows)


def alone_table(scene, table):
    known = [figure for figure in FIGURES if table.values(scene, "homing", figure)]
    rows = [[FIGURES[figure][0], shown(figure, table.spread(scene, "homing", figure))]
            for figure in known]
    return grid([table.scenes[scene]["title"], "homing"], rows)


def machine_table(results):
    machine, versions = results["machine"], results["versions"]
    disk, load = machine["fsync_ms"], spread([run["load"] for run in results["runs"]])
    size = f"{machine['cores']} cores, {machine['memory_gib']} GiB"
    brokers = ", ".join(f"{name} {versions[name]}" for name in ("homing", "mosquitto", "rumqttd"))
    rows = [
        ["machine", f"{machine['processor']}, {size}"],
        ["system", f"{machine['system']}, Linux {machine['kernel']}"],
        ["disk", f"a page of 16 KiB is kept after {disk['p50']} ms (99 of 100: {disk['p99']} ms)"],
        ["brokers", brokers],
        ["compiler", f"rustc {versions['rustc']}"],
        ["measured", f"{results['date']}, {results['rounds']} round(s) of {results['seconds']} s"],
        ["load before", f"{number(load.median)} ({number(load.least)} to {number(load.greatest)})"],
    ]
    return grid(["", ""], rows)


def bar_table(table):
    rows = [list(row) for row in bars.judged(table)]
    met = sum(row[-1] == "yes" for row in rows)
    head = ["", "figure", "homing", "bar", "ratio", "reached"]
    return text.BARS.format(met=met, all=len(rows)) + "\n" + grid(head, rows)


def worse_table(table):
    rows = [list(row) for row in bars.worse(table)]
    head = ["", "figure", "homing", "peer", "its figure", "worse by"]
    return text.WORSE + "\n" + (grid(head, rows) if rows else text.NOT_WORSE)


def notes(table):
    """What a mark in a table means, and what was broken."""
    every = [(scene, broker) for scene in table.scenes for broker in table.brokers(scene)]
    busy = any(table.busy(*one) for one in every)
    yield ("(*): the generator was over 90 % busy, the broker may be quicker than is printed."
           if busy else "The generator was never over 90 % busy in a closed loop.")
    for scene, broker in every:
        if broken := table.broken(scene, broker):
            yield f"(!) {table.scenes[scene]['title']}, {broker}: {broken}."


def commands(table):
    rows = []
    for about in table.scenes.values():
        for command in dict.fromkeys(about["commands"].values()):
            rows.append([about["title"], f"`{command}`"])
    return "## Commands\n\n" + grid(["", "with `-p PORT --pid PID`"], rows)


CHARTS = {
    "messages": ("CPU per message, microseconds", "Less is better. Each scene has its own scale.",
                 ("pairs-0", "pairs-1", "inbox-0", "inbox-1", "fanout", "paced-0", "paced-1",
                  "paced-inbox"), "cpu_us_per_message"),
    "idle": ("Memory of an idle connection", "Private memory of the broker. Less is better.",
             ("idle-tcp", "idle-tls", "idle-ws"), "memory_bytes_per_connection"),
    "latency": ("Latency at 20,000 messages a second, 99 of 100, ms", "Open loop. Less is better.",
                ("paced-0", "paced-1", "paced-inbox"), "latency_ms_p99"),
}
# Who has no inboxes is shown with the same over plain topics, and is called so.
PLAIN_OF = {"inbox-0": "pairs-1", "inbox-1": "pairs-1", "paced-inbox": "paced-1"}
CHART_OF = {"pairs": "messages", "paced": "latency", "idle": "idle"}


def charts(table):
    """Name and SVG of each chart that has something to show."""
    for name, (title, under, scenes, figure) in CHARTS.items():
        groups = []
        for scene in filter(table.scenes.__contains__, scenes):
            medians = [(broker, table.median(scene, broker, figure))
                       for broker in table.brokers(scene)]
            if plain := PLAIN_OF.get(scene):
                medians.append(("mosquitto plain", table.median(plain, "mosquitto", figure)))
            found = [(who, value, one(figure, value)) for who, value in medians
                     if value is not None]
            if found:
                groups.append((table.scenes[scene]["title"], found))
        if groups:
            yield name, chart(title, under, groups)


def image(section, drawn):
    name = CHART_OF.get(section)
    return [f"![{CHARTS[name][0]}]({FOLDER}/{name}.svg)\n"] if name in drawn else []


def body(results, drawn):
    """The whole page."""
    table = Table(results)
    facts = {"results": f"docs/{FOLDER}/results.json", "rounds": results["rounds"],
             "seconds": results["seconds"], "cores": results["machine"]["cores"]}
    parts = [text.TITLE.format(**facts)]
    if results["quick"]:
        parts.append(text.QUICK.format(**facts))
    parts += [machine_table(results), bar_table(table)]
    for section, words in text.SECTIONS.items():
        if not scenes_of(section, table):
            continue
        parts += [words.format(**facts), *image(section, drawn)]
        parts.append(alone_table(section, table) if section in ALONE
                     else section_table(section, table))
    parts += [worse_table(table), text.HOW.format(busy=" ".join(notes(table)), **facts),
              text.REPEAT.format(**facts), commands(table)]
    return "\n".join(parts)


def files(results):
    """All that is written, by its name under the page's folder."""
    drawn = dict(charts(Table(results)))
    yield "performance.md", body(results, drawn)
    for name, svg in drawn.items():
        yield f"{FOLDER}/{name}.svg", svg
    yield f"{FOLDER}/results.json", json.dumps(results, indent=1) + "\n"


def write(results, out):
    for name, content in files(results):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        yield path
