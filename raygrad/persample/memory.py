"""How much may be materialised at a time."""

import torch
from torch import Tensor

CPU_BYTES = 2**28  # a quarter GiB, small beside any model in training
CUDA_SHARE = 8  # an eighth of what is free


def chunk_entries(like: Tensor, memory_bytes: int | None) -> int:
    """How many float32 entries a chunk of materialised gradients may hold.

    Args:
        like: A tensor on the device.
        memory_bytes: The user's bound, None to choose by device.
    """
    if memory_bytes is None:
        if like.is_cuda:
            memory_bytes = torch.cuda.mem_get_info(like.device)[0] // CUDA_SHARE
        else:
            memory_bytes = CPU_BYTES
    return max(1, memory_bytes // 4)


def halving(size: int, like: Tensor) -> int:
    """Half the size after memory ran out; gives up at one.

    Raises:
        torch.OutOfMemoryError: If there is nothing left to halve.
    """
    if size <= 1:
        raise torch.OutOfMemoryError(
            "out of memory with chunks of a single sample; use smaller batches"
        )
    if like.is_cuda:
        torch.cuda.empty_cache()
    return size // 2
