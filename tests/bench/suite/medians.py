"""Medians and spread of what the rounds gave; pure."""
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median of the rounds, with the least and the greatest."""
    median: float
    least: float
    greatest: float


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


class Table:
    """All measurements, asked for by scene, broker and figure."""

    def __init__(self, results):
        self.scenes = results["scenes"]
        self.runs = results["runs"]
        self.machine = results["machine"]

    def of(self, scene, broker):
        return [run for run in self.runs if (run["scene"], run["broker"]) == (scene, broker)]

    def values(self, scene, broker, figure):
        found = [run["figures"].get(figure) for run in self.of(scene, broker)]
        return [value for value in found if value is not None]

    def spread(self, scene, broker, figure):
        """None if it was not measured."""
        values = self.values(scene, broker, figure)
        return spread(values) if values else None

    def median(self, scene, broker, figure):
        found = self.spread(scene, broker, figure)
        return found.median if found else None

    def most(self, scene, broker, figure):
        """The greatest of the rounds, of what must never be: lost, out of order."""
        return max(self.values(scene, broker, figure), default=None)

    def brokers(self, scene):
        return list(self.scenes[scene]["commands"]) if scene in self.scenes else []

    def busy(self, scene, broker):
        """Whether the generator was what limited a closed loop; in an open one it waits awake."""
        if "-r" in self.scenes[scene]["commands"][broker].split():
            return False
        return (self.most(scene, broker, "generator_cpu_percent") or 0) > 90

    def broken(self, scene, broker):
        return next((run["broken"] for run in self.of(scene, broker) if run["broken"]), "")
