"""Checkers of the table and of the code that runs it: prove, explore, mutate, conform."""
