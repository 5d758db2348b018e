"""What a model writes, read while it is written: its thoughts, the text for the user, and calls of tools."""
