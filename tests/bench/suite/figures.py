"""How figures are called and written; pure."""

KIB, MIB = 1024, 1024 * 1024


def number(value):
    """Three digits that count."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def memory(value):
    if value is None:
        return "-"
    if abs(value) < 10 * KIB:
        return f"{value:,.0f} B"
    return f"{value / KIB:,.1f} KiB" if abs(value) < MIB else f"{value / MIB:,.1f} MiB"


# Its name in the results: in words, and how it is written.
FIGURES = {
    "cpu_us_per_message": ("CPU us/message", number),
    "messages_per_second": ("messages/s", number),
    "latency_ms_p50": ("p50 ms", number),
    "latency_ms_p99": ("p99 ms", number),
    "memory_bytes_per_connection": ("bytes each", memory),
    "connects_per_second": ("connects/s", number),
    "connect_ms_p99": ("connect p99 ms", number),
    "idle_cpu_percent": ("idle CPU %", number),
    "stored_per_second": ("stored/s", number),
    "lost": ("lost", number),
    "out_of_order": ("out of order", number),
    "stripped_bytes": ("binary, stripped", memory),
    "binary_bytes": ("binary with debug lines", memory),
    "rss_at_start_bytes": ("resident at the start", memory),
    "private_at_start_bytes": ("private at the start", memory),
    "crates": ("crates in the default build", number),
    "build_seconds": ("build from clean, s", number),
    "restart_ms": ("start to first delivery, ms", number),
    "ready_ms": ("start to listening, ms", number),
    "start_growth_bytes": ("private memory at the start, more than with an empty store", memory),
    "away_growth_percent": (
        "private memory with connections, more than with an empty store, %", number),
    "full_bytes": ("private memory with connections", memory),
    "empty_bytes": ("the same with an empty store", memory),
    "store_bytes": ("the store's files", memory),
}


def words(figure):
    return FIGURES[figure][0]


def one(figure, value):
    return FIGURES[figure][1](value)


def shown(figure, spread):
    """The median; with the spread behind it if there is any."""
    if spread is None:
        return "-"
    median, least, greatest = (one(figure, value) for value in
                               (spread.median, spread.least, spread.greatest))
    return median if least == greatest else f"{median} ({least} to {greatest})"
