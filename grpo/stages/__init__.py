"""The kinds of stages a pipeline is made of; one file each, named in `registry.py`."""
