"""Scripts that run inside the sandbox under the system's Python, as the package `inside`; no trainer imports them.

They use the standard library only. `server` runs the answer, `judge` runs the tests in a sandbox of its own, and the
two talk through `peer` about values that `codec` can spell.
"""
