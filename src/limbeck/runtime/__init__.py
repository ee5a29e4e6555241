"""Bundles that answer. Torch-free; shared by `limbeck.load`, the command line and the measurement of a written student."""
