"""Bringing models onto this machine, whole and verified."""
