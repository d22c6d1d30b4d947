"""What has to be reached, and whether it is; pure."""
import dataclasses

from .figures import KIB, MIB, number, one, words

CPU, RATE, P99 = "cpu_us_per_message", "messages_per_second", "latency_ms_p99"
MEMORY, CONNECTS = "memory_bytes_per_connection", "connects_per_second"


@dataclasses.dataclass(frozen=True)
class Beside:
    """At most, or at least, so many times a peer's figure."""
    factor: float
    peer: str
    scene: str = ""
    least: bool = False

    def met(self, value, table, bar):
        theirs = self.known(table, bar)
        return value / theirs, (value >= self.factor * theirs if self.least
                                else value <= self.factor * theirs)

    def text(self, table, bar):
        theirs = self.known(table, bar)
        kind = "at least" if self.least else "at most"
        plain = " plain QoS 1" if self.scene and self.scene != bar.scene else ""
        return f"{kind} {self.factor:g}x {self.peer}'s{plain} {one(bar.figure, theirs)}"

    def known(self, table, bar):
        return table.median(self.scene or bar.scene, self.peer, bar.figure)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """At most, or at least, this value."""
    value: float
    least: bool = False

    def met(self, value, _table, _bar):
        return None, (value >= self.value if self.least else value <= self.value)

    def text(self, _table, bar):
        return f"{'at least' if self.least else 'at most'} {one(bar.figure, self.value)}"

    def known(self, _table, _bar):
        return True


@dataclasses.dataclass(frozen=True)
class BesideTheDisk:
    """At most so many ms more than the disk takes to keep a page, 99 times of 100."""
    more_ms: float

    def met(self, value, table, _bar):
        return None, value <= self.more_ms + table.machine["fsync_ms"]["p99"]

    def text(self, table, _bar):
        disk = number(table.machine["fsync_ms"]["p99"])
        return f"at most {self.more_ms:g} ms and the disk's {disk}"

    def known(self, _table, _bar):
        return True


@dataclasses.dataclass(frozen=True)
class Flat:
    """At most so many times the figure of the smallest scene."""
    factor: float
    scene: str

    def met(self, value, table, bar):
        small = self.known(table, bar)
        return value / small, value <= self.factor * small

    def text(self, table, bar):
        small = self.known(table, bar)
        title = table.scenes[self.scene]["title"]
        return f"at most {self.factor:g}x the {one(bar.figure, small)} with {title}"

    def known(self, table, bar):
        return table.median(self.scene, "homing", bar.figure)


@dataclasses.dataclass(frozen=True)
class Bar:
    scene: str
    figure: str
    bound: object


def growth():
    for kind, counts in (("connections", (100, 1000, 10_000)), ("topics", (1000, 10_000, 100_000)),
                         ("stored", (10_000, 100_000, 1_000_000))):
        for count in counts[1:]:
            yield Bar(f"growth-{kind}-{count}", CPU, Flat(1.2, f"growth-{kind}-{counts[0]}"))


def pairs(qos, of_rumqttd):
    scene = f"pairs-{qos}"
    yield Bar(scene, CPU, Beside(of_rumqttd, "rumqttd"))
    yield Bar(scene, CPU, Beside(0.1, "mosquitto"))
    yield Bar(scene, RATE, Beside(1, "rumqttd", least=True))
    yield Bar(scene, RATE, Beside(1, "mosquitto", least=True))


BARS = (
    *pairs(0, 0.4), *pairs(1, 0.5),
    Bar("inbox-0", CPU, Beside(0.5, "mosquitto", "pairs-1")),
    Bar("inbox-1", CPU, Beside(0.5, "mosquitto", "pairs-1")),
    Bar("fanout", CPU, Beside(1, "rumqttd")),
    Bar("paced-0", CPU, Beside(1, "mosquitto")),
    Bar("paced-0", P99, Beside(2, "mosquitto")),
    Bar("paced-1", CPU, Beside(1, "mosquitto")),
    Bar("paced-inbox", P99, BesideTheDisk(5)),
    Bar("paced-inbox", "lost", Fixed(0)),
    Bar("idle-tcp", MEMORY, Fixed(1.5 * KIB)),
    Bar("idle-tls", MEMORY, Fixed(10 * KIB)),
    Bar("idle-ws", MEMORY, Fixed(6 * KIB)),
    Bar("idle-tcp", CONNECTS, Beside(1, "mosquitto", least=True)),
    Bar("drain", RATE, Fixed(50_000, least=True)),
    Bar("drain", "lost", Fixed(0)),
    Bar("drain", "out_of_order", Fixed(0)),
    Bar("scale", "away_growth_percent", Fixed(10)),
    Bar("scale", "restart_ms", Fixed(1000)),
    Bar("light", "stripped_bytes", Fixed(20 * MIB)),
    Bar("light", "rss_at_start_bytes", Fixed(15 * MIB)),
    Bar("light", "build_seconds", Fixed(360)),
    *growth(),
)

# Counted over all rounds, so that one good round hides nothing.
NEVER = ("lost", "out_of_order")


def judged(table):
    """Rows: scene, figure, homing, bar, ratio, yes or no; of what was measured."""
    for bar in BARS:
        of = table.most if bar.figure in NEVER else table.median
        value = of(bar.scene, "homing", bar.figure)
        if value is None or bar.bound.known(table, bar) is None:
            continue
        ratio, met = bar.bound.met(value, table, bar)
        yield (table.scenes[bar.scene]["title"], words(bar.figure), one(bar.figure, value),
               bar.bound.text(table, bar), f"{ratio:.2f}" if ratio else "", "yes" if met else "no")


# Less is better of these, more of the others.
LESS = (CPU, P99, "latency_ms_p50", MEMORY, "idle_cpu_percent", "connect_ms_p99")
MORE = (RATE, CONNECTS)


def worse(table):
    """Rows where a peer is better in the same scene by more than the spread of 10 %."""
    for scene, about in table.scenes.items():
        paced = "-r" in about["commands"]["homing"].split()
        for figure in (*LESS, *(() if paced else MORE)):
            for peer in ("rumqttd", "mosquitto"):
                ours, theirs = (table.median(scene, who, figure) for who in ("homing", peer))
                if not ours or not theirs:
                    continue
                ratio = ours / theirs if figure in LESS else theirs / ours
                if ratio > 1.1:
                    yield (about["title"], words(figure), one(figure, ours), peer,
                           one(figure, theirs), f"{ratio:.1f}x")
