"""What is pure of the benchmark: medians, bars, page and charts. `python3 -m unittest` runs it; so
does `cargo test --test bench_page`."""
import json
import pathlib
import unittest
from xml.etree import ElementTree

from suite import bars, figures, options, page, scenes
from suite.campaign import order
from suite.medians import Table, spread

ROOT = pathlib.Path(__file__).resolve().parents[2]
CPU = "cpu_us_per_message"


def run(scene, broker, broken="", **found):
    return {"scene": scene, "broker": broker, "load": 0.5, "broken": broken,
            "figures": found}


def results(*runs):
    about = {}
    for one in runs:
        scene = about.setdefault(one["scene"], {"title": f"<{one['scene']}>", "commands": {}})
        paced = " -r 20000" if one["scene"].startswith("paced") else ""
        scene["commands"][one["broker"]] = f"homing bench{paced}"
    machine = {"processor": "p", "cores": 2, "memory_gib": 8, "system": "s", "kernel": "k",
               "fsync_ms": {"p50": 0.2, "p99": 1.5}}
    versions = {"homing": "1", "rumqttd": "2", "mosquitto": "3", "rustc": "4"}
    return {"date": "2026-11-21", "machine": machine, "versions": versions, "rounds": 3,
            "seconds": 5, "quick": False, "scenes": about, "runs": list(runs)}


def judged(*runs):
    return [(row[1], row[4], row[5]) for row in bars.judged(Table(results(*runs)))]


class Figures(unittest.TestCase):
    def test_the_median_stands_between_the_least_and_the_greatest(self):
        found = spread([3, 1, 2])
        self.assertEqual((found.median, found.least, found.greatest), (2, 1, 3))
        self.assertEqual(figures.shown(CPU, found), "2 (1 to 3)")
        self.assertEqual(figures.shown(CPU, spread([2])), "2")

    def test_numbers_have_three_digits_that_count(self):
        written = [figures.number(value) for value in (None, 0, 1.234, 12.34, 1234.5)]
        self.assertEqual(written, ["-", "0", "1.23", "12.3", "1,234"])
        written = [figures.memory(value) for value in (1500, 15 * 1024, 3 * 1024**2)]
        self.assertEqual(written, ["1,500 B", "15.0 KiB", "3.0 MiB"])

    def test_the_order_changes_from_round_to_round(self):
        self.assertEqual([order("abc", turn) for turn in range(3)], ["abc", "bca", "cab"])


class Bars(unittest.TestCase):
    def test_a_bar_beside_a_peer_is_a_ratio(self):
        ours = run("pairs-0", "homing", cpu_us_per_message=1.0)
        peer = run("pairs-0", "rumqttd", cpu_us_per_message=2.0)
        self.assertEqual(judged(ours, peer), [("CPU us/message", "0.50", "no")])
        peer = run("pairs-0", "rumqttd", cpu_us_per_message=2.5)
        self.assertEqual(judged(ours, peer), [("CPU us/message", "0.40", "yes")])

    def test_what_was_not_measured_is_not_judged(self):
        self.assertEqual(judged(run("pairs-0", "homing", cpu_us_per_message=1.0)), [])

    def test_one_bad_round_is_not_hidden_by_others(self):
        rounds = [run("drain", "homing", lost=lost) for lost in (0, 0, 1)]
        self.assertEqual(judged(*rounds), [("lost", "", "no")])

    def test_a_commit_may_take_as_long_as_the_disk(self):
        for p99, met in ((6.5, "yes"), (6.6, "no")):
            self.assertEqual(judged(run("paced-inbox", "homing", latency_ms_p99=p99)),
                             [("p99 ms", "", met)])

    def test_growth_is_beside_the_smallest(self):
        rows = judged(run("growth-topics-1000", "homing", cpu_us_per_message=1.0),
                      run("growth-topics-100000", "homing", cpu_us_per_message=1.3))
        self.assertEqual(rows, [("CPU us/message", "1.30", "no")])

    def test_each_bar_is_of_a_scene_that_there_is(self):
        names = {scene.name for scene in scenes.scenes(options.parse([]))}
        self.assertEqual({bar.scene for bar in bars.BARS} - names, set())

    def test_where_a_peer_is_better_is_said(self):
        found = results(run("paced-1", "homing", latency_ms_p99=3.0, messages_per_second=9),
                        run("paced-1", "mosquitto", latency_ms_p99=1.0, messages_per_second=99))
        rows = [(row[1], row[-1]) for row in bars.worse(Table(found))]
        self.assertEqual(rows, [("p99 ms", "3.0x")], "the rate of an open loop is no merit")


class Page(unittest.TestCase):
    def test_a_busy_generator_and_a_broken_promise_are_marked(self):
        found = results(
            run("fanout", "homing", cpu_us_per_message=1.0, generator_cpu_percent=95),
            run("fanout", "rumqttd", "messages: 3 lost", cpu_us_per_message=1.0),
            run("paced-0", "homing", cpu_us_per_message=9.0, generator_cpu_percent=100))
        written = dict(page.files(found))["performance.md"]
        self.assertIn("| <fanout> | homing (*) |", written)
        self.assertIn("(!) <fanout>, rumqttd: messages: 3 lost.", written)
        self.assertIn("| <paced-0> | homing | 9 | - |", written)

    def test_charts_are_well_formed_and_the_longest_bar_fills_its_room(self):
        found = results(run("idle-tcp", "homing", memory_bytes_per_connection=500),
                        run("idle-tcp", "mosquitto", memory_bytes_per_connection=1000))
        svg = dict(page.files(found))["performance/idle.svg"]
        bars_drawn = ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}rect")
        widths = [float(bar.get("width")) for bar in bars_drawn]
        self.assertEqual(widths[1], 2 * widths[0])
        self.assertIn("prefers-color-scheme:dark", svg)

    def test_the_page_in_docs_is_what_its_results_say(self):
        """Whoever changes a figure by hand, or the renderer without `--render`, sees it here."""
        found = json.loads((ROOT / "docs/performance/results.json").read_text())
        for name, content in page.files(found):
            self.assertEqual((ROOT / "docs" / name).read_text(), content, name)


class Code(unittest.TestCase):
    def test_files_are_small_and_say_what_they_own(self):
        for path in pathlib.Path(__file__).parent.glob("**/*.py"):
            content = path.read_text()
            self.assertTrue(content.startswith('"""'), path)
            self.assertLessEqual(len(content.splitlines()), 250, path)
            self.assertLessEqual(max(map(len, content.splitlines()), default=0), 100, path)


if __name__ == "__main__":
    unittest.main()
