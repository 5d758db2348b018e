"""The terminal face of Ominix: the Textual program and the command line. All work is done by `ominix_core`."""
