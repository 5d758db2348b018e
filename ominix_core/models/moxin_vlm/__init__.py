"""Moxin-7B-VLM: DINOv2 and SigLIP see, a Mistral-shaped decoder speaks (the "prismatic" architecture)."""
