"""Losses as functions of tensors: tensors in, one number per element out. No reduction, no configuration, no I/O.

Half types are raised to float32; float64 stays.
"""
