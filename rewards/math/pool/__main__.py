"""The template process, started as `python -m grpo.rewards.math.pool FUNCTION BYTES HOST_PID`."""

from __future__ import annotations

import sys

from grpo.rewards.math.pool.template import main

main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
