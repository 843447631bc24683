"""The gaze policies by name, for lists of choices; loads none of their kernels."""

POLICIES: dict[str, str] = {
    "adaptive": "the compressor's own: prior, surprise after ego-warp, age, the saliency that the network requests",
    "fixed": "fixed foveation: the same blocks at every tick, plus the sweep",
    "random": "other blocks at every tick, by a hash",
    "downscale": "all bytes go to a larger base image, none to patches",
    "subsample": "whole pictures, uniformly in time, as often as the bytes allow; held in between",
    "scene-cut": "whole pictures of a camera when its content has changed; held in between",
    "run-length": "blocks that differ from what they last showed, without ego-compensation",
}
"""Name -> what it does; `policies.make_policy` makes one."""
