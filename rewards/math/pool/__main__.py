"""The template process, started by the host: `python -m grpo.rewards.math.pool MODULE:FUNCTION MEMORY HOST_PID`."""

from __future__ import annotations

import sys

from grpo.rewards.math.pool.template import main

main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
