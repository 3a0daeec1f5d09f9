"""Advantage → loss → reduction: pure functions of small structs, one file each, no model in sight."""
