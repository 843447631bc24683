"""Words in the names of a model's tensors, and what they usually mean."""

import re

from fsd.data.camera_names import canonical_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGE = _words(
    "image images img imgs camera cameras cam cams frame frames rgb bgr view views picture pictures pixels video tiles "
    "front rear road wide narrow main"
)
NOT_IMAGE = _words(
    "map lidar bev points hidden state mask route feature features feat buffer cache memory grid radar history"
)
TIME = _words("time frames seq sequence video history hist t")
STATE = _words(
    "h c k v hidden cell state states cache memory mem past prev previous recurrent rnn lstm gru carry key value bev "
    "latent"
)
REGISTER = _words("buffer history hist queue past prev previous memory features feats window")
COMMAND = _words("command commands cmd desire nav direction directions turn intent maneuver navigation")
PATH = _words("waypoint waypoints wp wps traj trajectory trajectories path plan plans future planning fut")
GOAL = _words("target goal point destination")
PROBABILITY = _words("prob probs probability probabilities score scores logit logits weights conf")

_DIRECTION = _words("in out input output new next prev previous past present old last cur current init n t")
"""Words that tell a state's input from its output."""

_SAME = {"hn": "h", "cn": "c", "hidden": "h", "cell": "c", "key": "k", "keys": "k", "value": "v", "values": "v"}
_FIRST_OF_LSTM = re.compile(r"\b([hc])_?(0|n)\b")

_CAMERA_WORDS = (
    ({"narrow", "tele"}, "front_narrow"),
    ({"wide", "big"}, "front_wide"),
    ({"left", "rear"}, "left_repeater"),
    ({"left", "back"}, "left_repeater"),
    ({"right", "rear"}, "right_repeater"),
    ({"right", "back"}, "right_repeater"),
    ({"left"}, "left_pillar"),
    ({"right"}, "right_pillar"),
    ({"rear"}, "rear"),
    ({"back"}, "rear"),
    ({"front"}, "front_main"),
    ({"main"}, "front_main"),
    ({"road"}, "front_main"),
    ({"center"}, "front_main"),
)
"""Words -> camera; the first line with a word (all words, where they name two sides) in the name applies."""


def words_in(name: str) -> list[str]:
    """Words and numbers of a name, in lower case: `camImgs_0` is cam, imgs, 0."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.findall(r"[A-Za-z]+|\d+", spaced)]


def has_word(name: str, words: frozenset[str]) -> bool:
    """Whether a name has one of these words."""
    return not words.isdisjoint(words_in(name))


def stem(name: str) -> tuple[str, ...]:
    """What remains of a name without the words that tell input from output: equal for `h_in` and `h_out`."""
    plain = _FIRST_OF_LSTM.sub(r"\1", name.lower())
    return tuple(_SAME.get(word, word) for word in words_in(plain) if word not in _DIRECTION)


def camera_in(name: str) -> str | None:
    """The camera that a tensor's name states; None where it states none."""
    if camera := canonical_name(name):
        return camera
    words = set(words_in(name))
    for needed, camera in _CAMERA_WORDS:
        both_sides = len(needed & {"left", "right", "rear", "back"}) == 2
        if (needed <= words) if both_sides else (needed & words):
            return camera
    return None
