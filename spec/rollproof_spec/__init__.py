"""Properties of a run, their encodings, and the TLA+ module made from the table."""
