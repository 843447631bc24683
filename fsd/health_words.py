"""What a plan had to do without, in words for people. docs/outputs.md lists the short forms that the tables hold."""

_WORDS = {"missing": "no {}", "black": "black {}", "stale": "stale {}", "plan": "plan: {}"}
_FLAGS = {"ok": "all there and fresh", "no_ego": "no ego motion"}


def health_words(health: str) -> str:
    """`missing=rear,front_main;no_ego` -> `no rear, front main; no ego motion`."""
    return "; ".join(_one(word) for word in health.split(";"))


def _one(word: str) -> str:
    cause, separator, names = word.partition("=")
    if separator and cause in _WORDS:
        return _WORDS[cause].format(names.replace("_", " ").replace(",", ", "))
    return _FLAGS.get(word, word.replace("_", " "))
