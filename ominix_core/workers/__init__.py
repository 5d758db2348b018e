"""Inference workers: one per loaded model, each with one thread that loads, runs and frees it."""
