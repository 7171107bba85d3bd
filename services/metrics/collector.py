"""Tells Python's garbage collector what will stay: a look through all objects of the start takes 70 to 110 ms.

What wiring and loading made (modules, compiled rules, titles) lives as long as the process; it is set aside. Calls make
few cycles, so the rest is looked through seldom.
"""

import gc

# Ten times the usual: a batch of events makes some hundred objects that reference counts free at once.
YOUNG, MIDDLE, OLD = 7_000, 20, 100


def settle() -> None:
    """Sets aside all there is; called when a process is ready to serve."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
