"""What a process that computes is told through its environment, before it starts."""

import os

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_HUGE_PAGES = "glibc.malloc.hugetlb=1"


def process_settings(threads: int = 1) -> dict[str, str]:
    """Return environment variables for a process that computes on so many threads of a CPU.

    Processes that each take all cores are slower than one alone. With huge pages an update is
    faster: by how much, `benchmarks/train_speed.py` says with ``--ours-env``. A C library other
    than glibc ignores that variable, and one that the user has set stays.
    """
    settings = {"GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", _HUGE_PAGES)}
    if threads == 1:
        settings["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD}".strip()
    else:
        settings["NPROC"] = str(threads)  # what XLA takes for the number of cores
    return settings
