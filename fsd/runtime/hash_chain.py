"""Hash chains over inputs and plans: equal digests mean equal bytes at all ticks until then."""

import hashlib

import numpy as np

from fsd.runtime.plan import Plan

HASH_BYTES = 16


class HashChain:
    """A digest over all arrays since the last reset, in order."""

    digest = bytes(HASH_BYTES)

    def reset(self) -> None:
        """Start again from zeros."""
        self.digest = bytes(HASH_BYTES)

    def add(self, *arrays: np.ndarray) -> None:
        """Extend the chain by the arrays of one tick."""
        extended = hashlib.blake2b(self.digest, digest_size=HASH_BYTES)
        for array in arrays:
            extended.update(np.ascontiguousarray(array).data)
        self.digest = extended.digest()

    def add_plan(self, plan: Plan) -> None:
        """Extend the chain by the trajectory and the controls of a plan."""
        self.add(plan.trajectory, np.array([plan.curvature_per_m, plan.acceleration_mps2]))
