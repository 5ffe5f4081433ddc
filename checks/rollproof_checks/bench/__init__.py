"""Benchmarks: figures to quote, with the command that repeats them.

They are no tests: machines are noisy, so compare ratios within one run.
"""
