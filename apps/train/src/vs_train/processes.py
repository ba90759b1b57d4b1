"""Environment variables for compute processes."""

import os

_HUGE_PAGES = "glibc.malloc.hugetlb=1"


def process_settings(threads: int = 1) -> dict[str, str]:
    """Return environment variables for a process that computes on ``threads`` threads of a CPU.

    Processes that each take all cores are slower than one alone. ``NPROC`` is what XLA takes for
    the number of cores; ``--xla_cpu_multi_thread_eigen=false`` splits no product, but leaves a
    thread per core among which the parts of an update wander (`benchmarks/one_thread.py`). With
    huge pages an update is faster: by how much, `benchmarks/train_speed.py` says with
    ``--ours-env``. A C library other than glibc ignores that variable, and one that the user has
    set stays.
    """
    huge_pages = os.environ.get("GLIBC_TUNABLES", _HUGE_PAGES)
    return {"NPROC": str(threads), "GLIBC_TUNABLES": huge_pages}
