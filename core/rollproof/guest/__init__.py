"""What runs inside an instance. Nothing here imports the rest of rollproof."""
