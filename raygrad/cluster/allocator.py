"""How malloc works in processes that hold a model."""

KEEPS_MEMORY = {
    "env_vars": {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(1 << 40),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    }
}
"""A runtime environment in which glibc keeps what a batch frees for the next one.

Else it hands large tensors back to the system each time, and zeroed pages that come in their place
took 10 % of the time of convolutions of 8 x 8 pixels, and 40 % of those of 224 x 224. A process
that scores batch after batch needs its peak again and again. It has one arena, because those beside
the main one hold no more than 64 MiB.
"""
