"""The typed schema behind `conf/`, its checks, and the way from a command line to dataclasses."""
