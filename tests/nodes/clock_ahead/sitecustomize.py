"""For a process with this directory in PYTHONPATH: its clock is ahead by GATEWAY_SWEEP_AHEAD seconds, for all that Python asks of it by `time.time`.

That is every moment that the gateway writes or compares (clocks come in by argument). Programs that it starts, gpg and sshd, have the machine's clock. libfaketime would
move theirs as well, but needs shared memory that the walls around sshd deny.
"""

import os
import time

_AHEAD = float(os.environ.get("GATEWAY_SWEEP_AHEAD", "0"))
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _AHEAD
time.time_ns = lambda: _time_ns() + int(_AHEAD * 1e9)
