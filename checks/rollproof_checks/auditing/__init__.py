"""What `rollproof_checks.audit` is made of: reading events fast, the chain, the monitor,
and the second process for long runs."""
