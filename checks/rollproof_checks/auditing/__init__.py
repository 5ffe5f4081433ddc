"""What `rollproof_checks.audit` is made of: reading events fast, the chain, the monitor."""
