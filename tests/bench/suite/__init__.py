"""The benchmark behind `scripts/bench`: scenes, brokers, rounds, and the page that tells of them.

options -> prepare -> campaign (scenes, brokers) -> results.json -> medians, bars -> page, charts.
Whatever is right of results.json is pure: the page can be written again without measuring.
"""
