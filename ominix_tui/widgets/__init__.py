"""Widgets that several screens and panels share."""
