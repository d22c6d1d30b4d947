"""The words of docs/performance.md around its tables."""

TITLE = """\
# Performance

How much one message, one idle phone and one reconnect cost, beside two brokers that are known to
be cheap: **mosquitto**, which Debian ships, and **rumqttd**, the quickest broker of the Rust
world. This page and its charts are written by `scripts/bench` from its
[results](performance/results.json); nothing in it is typed by hand.
"""

QUICK = """\
> **A short look, not a campaign**: {rounds} round(s) of {seconds} s. Run `scripts/bench` for
> figures that can be trusted.
"""

BARS = """\
## What it has to reach

{met} of {all} are reached. The bars are those that the project set itself before it measured.
"""

HOW = """\
## How it is measured

- The broker has one core and the generator (`homing bench`, one thread) another. Each measurement
  has a fresh broker, with an empty store where the scene names no other. The order of the brokers
  changes from round to round.
- **CPU us/message** is the CPU time of the broker's process, user and system, divided by the
  messages that it delivered. It is what a server costs, and it is far steadier than messages/s.
- **bytes each** is the growth of the broker's private memory (`Private_Clean` + `Private_Dirty`
  of `/proc/PID/smaps_rollup`) divided by the connections. The kernel's memory for sockets is not
  in it.
- A closed loop keeps a window of messages under way; its latency is that of full windows. In the
  open loop a message is due when it is due, sent or not: latency counts from then, so that a
  broker that makes the generator wait does not look fast.
- Every message carries who, which and when: lost, doubled and out of order are counted, not hoped
  for.
- Figures are the median of {rounds} rounds, with the least and the greatest in parentheses.
  {busy}

What is compared is not the same promise. Through an inbox homing commits every message to the
disk before PUBACK and delivers it after; mosquitto and rumqttd keep it in memory, so that a crash
loses what they acknowledged. homing's plain topics with clean sessions promise what theirs do.

Settings: homing with `auth.provider = "open"`, `acl.default = "allow"` and `limits.connect_rate =
"off"`; mosquitto without persistence, with `set_tcp_nodelay`, 64 messages in flight and long
queues; rumqttd as a program of its own (`tests/bench/rumqttd`) with the settings that it ships,
more connections and no pause between two of them. rumqttd serves MQTT 3.1.1 here and has no store
that outlives it, so that it has no part where inboxes, stored messages, TLS or WebSocket are
asked for.
"""

SECTIONS = {
    "pairs": """\
## Messages, as fast as windows allow

100 publishers, each to one receiver, with 32 messages under way; and one publisher to 500
receivers.
""",
    "paced": """\
## Messages at a pace

20,000 messages a second over 100 pairs, each on its own: nothing to batch, which is how people
write.
""",
    "idle": """\
## Idle connections

Phones that are connected and silent; each pings every 150 s. Handshakes of TLS are whole ones.
""",
    "drain": """\
## Everybody comes back

Devices that were away, with 100 messages each in the store, connect at the same time. homing
reads inboxes from its disk, mosquitto the queues of durable sessions from its memory.
""",
    "growth": """\
## Growth

10 and 100 times as many of something at the same pace: CPU us/message.
""",
    "workers": """\
## More cores

One worker and two, on a machine whose {cores} cores they share with the generator: what two
workers gain here is less than on a server, where the generator is elsewhere.
""",
    "scale": """\
## Users that are away

A store that knows many users, some of them with messages that wait, and connections to it, beside
the same connections to an empty store. The first delivery counts from the start of the process;
the store's file is in the page cache, as it is when a service is restarted.
""",
    "light": """\
## Light
""",
}

WORSE = """\
## Where homing is worse

What a peer does better in the same scene, by more than 10 %.
"""

NOT_WORSE = "Nothing that was measured.\n"

REPEAT = """\
## Repeat it

    scripts/bench                       # everything, {rounds} rounds: about half an hour
    scripts/bench --light               # the build time from clean too
    scripts/bench --quick               # a short look; writes to target/bench
    scripts/bench --only pairs,fanout   # some scenes; `--list` names them
    scripts/bench --only idle --add     # measures these again and keeps the others
    scripts/bench --homing PATH         # another release beside the same peers
    scripts/bench --render {results}

It takes Debian's packages and builds rumqttd itself. Keep the machine quiet meanwhile, and allow
16,000 open files. A single scene by hand, against any broker on this machine:

    homing bench pairs -q 1 -c 100 -w 32 -p 1883 --pid $(pidof mosquitto)
"""
