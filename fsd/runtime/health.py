"""What a plan had to do without, in words for people. docs/outputs.md lists the short forms that the tables hold."""

from collections.abc import Mapping

_WORDS = {"missing": "no {}", "black": "black {}", "stale": "stale {}", "plan": "plan: {}"}
_FLAGS = {"ok": "all there and fresh", "no_ego": "no ego motion"}
_MOTION = {"ego": "recorded", "image": "estimated from the pictures", "none": "unknown"}


def health_words(health: str) -> str:
    """`missing=rear,front_main;no_ego` -> `no rear, front main; no ego motion`."""
    return "; ".join(_one(word) for word in health.split(";"))


def motion_words(odometry_ticks: Mapping[str, int]) -> str:
    """`{"none": 1, "image": 395}` -> `unknown at 1 tick, estimated from the pictures at 395 ticks`."""
    parts = (f"{_MOTION[source]} at {n} tick{'s' if n != 1 else ''}" for source, n in odometry_ticks.items())
    return ", ".join(parts) or "no tick"


def _one(word: str) -> str:
    cause, separator, names = word.partition("=")
    if separator and cause in _WORDS:
        return _WORDS[cause].format(names.replace("_", " ").replace(",", ", "))
    return _FLAGS.get(word, word.replace("_", " "))
