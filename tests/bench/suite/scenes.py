"""What is measured: each scene with its words for `homing bench` and the brokers that play it."""
import dataclasses

ALL = ("homing", "rumqttd", "mosquitto")
BESIDE_MOSQUITTO = ("homing", "mosquitto")
ALONE = ("homing",)
# Messages per second, over all pairs.
PACE = 20_000
PAYLOAD = ("-s", "64")


@dataclasses.dataclass(frozen=True)
class Scene:
    name: str
    title: str
    words: tuple = ()
    brokers: tuple = ALL
    # Words that only homing gets.
    homing: tuple = ()
    # tcp, tls or ws.
    transport: str = "tcp"
    settings: dict = dataclasses.field(default_factory=dict)
    # 0: the first core; both: none of its own, and so for the generator.
    broker_core: object = 0
    # Who measures it: `bench` is the generator alone, others are in special.py.
    by: str = "bench"

    @property
    def generator_core(self):
        return "both" if self.broker_core == "both" else -1


def number(value):
    return f"{value:,}"


def flow(options):
    return ("-d", f"{options.seconds}s", "--warmup", "1s", *PAYLOAD)


def closed(options):
    """100 pairs, as fast as windows allow."""
    load = ("-c", "100", "-w", "32", *flow(options))
    for qos in "01":
        words = ("pairs", "-q", qos, *load)
        yield Scene(f"pairs-{qos}", f"100 pairs, QoS {qos}", words)
    for qos in "01":
        words = ("pairs", "-q", qos, *load, "--inbox")
        yield Scene(f"inbox-{qos}", f"100 pairs through inboxes, QoS {qos}", words, ALONE)
    words = ("fanout", "-q", "0", "-c", "500", "-w", "4", *flow(options))
    yield Scene("fanout", "1 to 500, QoS 0", words)


def paced(options):
    """Open loop: a message is due when it is due, and its latency counts from then."""
    load = ("-c", "100", "-w", "64", "-r", str(PACE), *flow(options))
    for qos in "01":
        words = ("pairs", "-q", qos, *load)
        yield Scene(f"paced-{qos}", f"{number(PACE)} msg/s, QoS {qos}", words)
    words = ("pairs", "-q", "1", *load, "--inbox")
    yield Scene("paced-inbox", f"{number(PACE)} msg/s through inboxes, QoS 1", words, ALONE)


def idle(options):
    count = 2000 if options.quick else 15_000
    words = ("idle", "-c", str(count), "--hold", f"{2 * options.seconds}s", "-k", "300")
    names = {"tcp": "plain TCP", "tls": "TLS 1.3", "ws": "WebSocket"}
    for transport, name in names.items():
        brokers = ALL if transport == "tcp" else BESIDE_MOSQUITTO
        title = f"{number(count)} idle connections, {name}"
        yield Scene(f"idle-{transport}", title, words, brokers, transport=transport)


def drain(options):
    devices = 100 if options.quick else 1000
    words = ("offline", "-c", str(devices), "-n", "100", *PAYLOAD)
    title = f"{number(devices)} devices x 100 stored messages come back at once"
    yield Scene("drain", title, words, BESIDE_MOSQUITTO, homing=("--inbox",))


def growth(options):
    """10 and 100 times as many of something, at the same pace."""
    load = ("-q", "0", "-w", "64", "-r", str(PACE), *flow(options))
    for count in (100, 1000, 10_000):
        words = ("pairs", "-c", str(count // 2), *load)
        yield Scene(f"growth-connections-{count}", f"{number(count)} connections", words,
                    BESIDE_MOSQUITTO)
    for count in (1000, 10_000, 100_000):
        words = ("pairs", "-c", "100", "--topics", str(count // 100), *load)
        yield Scene(f"growth-topics-{count}", f"{number(count)} subscriptions", words,
                    BESIDE_MOSQUITTO)
    load = ("-c", "100", "-q", "1", "-w", "64", "-r", str(PACE), *flow(options), "--inbox")
    for count in (10_000, 100_000, 1_000_000)[:2 if options.quick else 3]:
        yield Scene(f"growth-stored-{count}", f"{number(count)} stored messages",
                    ("pairs", *load), ALONE, by="stored")


def multicore(options):
    """All cores are shared with the generator, since two are all that is asked for."""
    for qos in "01":
        for workers in (1, 2):
            words = ("pairs", "-q", qos, "-c", "100", "-w", "32", *flow(options))
            yield Scene(f"workers-{workers}-{qos}", f"{workers} worker(s), QoS {qos}", words,
                        ALONE, broker_core="both",
                        settings={"HOMING__LISTEN__WORKERS": str(workers)})


def away(options):
    """Users of the scene `scale`, and those with mail."""
    return (10_000, 1000) if options.quick else (1_000_000, 100_000)


def footprint(options):
    users, with_mail = away(options)
    title = f"{number(users)} users, {number(with_mail)} of them with 10 messages"
    yield Scene("scale", title, brokers=ALONE, by="scale")
    yield Scene("light", "the binary, its start and its build", brokers=ALONE, by="light")


def scenes(options):
    parts = (closed, paced, idle, drain, growth, multicore, footprint)
    wanted = [word for word in options.only.split(",") if word]
    every = [scene for part in parts for scene in part(options)]
    return [scene for scene in every
            if not wanted or any(word in scene.name for word in wanted)]


def command(scene, broker):
    """The words for `homing bench`, as one would type them."""
    more = scene.homing if broker == "homing" else ()
    secure = {"tls": ("--ca", "CA.pem"), "ws": ("--ws",)}.get(scene.transport, ())
    if not scene.words:
        return f"scripts/bench --only {scene.name}"
    return " ".join(("homing bench", *scene.words, *more, *secure))
