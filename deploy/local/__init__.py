"""The whole house on this machine: `python -m deploy.local up`, `status`, `down`.

It owns the processes it started, their logs, their secrets and the marks of what was seeded, all below one folder
(./var). It stops nothing it did not start, and never a process that only has the number of one of its own.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence, before newer syntax is met
    raise SystemExit("Spotlight needs Python 3.11 or newer; this is " + sys.version.split()[0])
