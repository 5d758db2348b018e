"""The terminal face of Ominix: the Textual program and the command line. All work is done by `ominix_core`."""

import os

# What a key has changed waits for the next frame: 4 ms on average, where the 60 that Textual makes would make it 8.
os.environ.setdefault("TEXTUAL_FPS", "120")
