"""Keeping `ominix serve` running: a job of the system's own service manager."""
