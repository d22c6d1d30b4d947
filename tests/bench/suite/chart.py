"""Bar charts as SVG, by hand: readable on light and on dark, no script, no font of their own."""
from xml.sax.saxutils import escape

WIDTH, LABEL, RIGHT = 760, 130, 90
BAR, GAP, HEAD, GROUP_GAP, TOP = 16, 3, 20, 14, 52

STYLE = """\
text{font:13px system-ui,sans-serif;fill:#24292f}
.t{font-weight:600;font-size:15px}.s{font-size:12px;fill:#57606a}
.homing{fill:#0969da}.rumqttd{fill:#bf8700}.mosquitto{fill:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}
.homing{fill:#4493f8}.rumqttd{fill:#d29922}.mosquitto{fill:#6e7681}}"""


def text(x, y, words, kind="", anchor="start"):
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{style} text-anchor="{anchor}">{escape(words)}</text>'


def group(title, bars, top):
    """One scene: its name above bars that share a scale of their own."""
    greatest = max(value for _, value, _ in bars) or 1
    room = WIDTH - LABEL - RIGHT
    parts = [text(0, top + 13, title)]
    for at, (broker, value, label) in enumerate(bars):
        y = top + HEAD + at * (BAR + GAP)
        width = max(round(room * value / greatest, 1), 1)
        parts.append(text(LABEL - 8, y + 13, broker, "s", "end"))
        box = f'x="{LABEL}" y="{y}" width="{width}" height="{BAR}"'
        parts.append(f'<rect class="{broker.split()[0]}" {box} rx="2"/>')
        parts.append(text(round(LABEL + width + 6), y + 13, label))
    return parts


def chart(title, under, groups):
    """`groups`: (title, [(who, value, label)]); the first word of who is the broker's name."""
    parts, top = [], TOP
    for name, bars in groups:
        parts += group(name, bars, top)
        top += HEAD + len(bars) * (BAR + GAP) + GROUP_GAP
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" '
            f'aria-label="{escape(title)}">')
    return "\n".join([head, f"<style>{STYLE}</style>", text(0, 16, title, "t"),
                      text(0, 34, under, "s"), *parts, "</svg>"]) + "\n"
