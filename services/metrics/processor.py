"""Tells numpy not to sort with AVX-512 on processors where that is five times slower than with AVX2.

On AMD's Zen 4 the instruction that numpy's AVX-512 sort stores with is microcoded (numpy/x86-simd-sort issue 6; the
JDK turns its own off there, too): 128,000 numbers take 4.9 ms instead of 1.0 ms. Folding events and answering reports
is mostly sorting.
"""

import os
import sys
from pathlib import Path

VARIABLE = "NPY_DISABLE_CPU_FEATURES"
FEATURES = "X86_V4 AVX512_ICL"
CPU_INFO = Path("/proc/cpuinfo")
# Zen 3 and Zen 4; Zen 5 is family 26.
VENDOR, FAMILY = "AuthenticAMD", "25"


def sorts_slowly(info: str) -> bool:
    """Whether /proc/cpuinfo tells of such a processor."""
    lines = info.partition("\n\n")[0].splitlines()
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    is_family = (told.get("vendor_id"), told.get("cpu family")) == (VENDOR, FAMILY)
    return is_family and "avx512f" in told.get("flags", "").split()


def tune(cpu_info: Path = CPU_INFO) -> None:
    """Begins the process anew with the variable set where it is needed: numpy reads it when it is loaded."""
    if VARIABLE in os.environ or not cpu_info.exists() or not sorts_slowly(cpu_info.read_text()):
        return
    os.execve(sys.executable, sys.orig_argv, {**os.environ, VARIABLE: FEATURES})  # noqa: S606 - ourselves
