"""The processes of one training: one on a CPU, or one per device under `torchrun`."""

import os
from dataclasses import dataclass

import torch


def is_first_process() -> bool:
    """Whether this process speaks for the run; the others print and write nothing that people read."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Process:
    """Rank of this process and number of processes."""

    rank: int
    world: int

    @classmethod
    def join(cls, device: str) -> "Process":
        """This process; connects with the others of a `torchrun`, where `cuda` is the process's own device."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world > 1 and not torch.distributed.is_initialized():
            if device == "cuda":
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(int(os.environ.get("RANK", "0")), world)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def wait_for_all(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            torch.distributed.barrier()

    def agree(self, is_so: bool) -> bool:
        """The first process's answer, in every process."""
        answer = [is_so]
        if self.world > 1:
            torch.distributed.broadcast_object_list(answer)
        return answer[0]
