"""The terminal program: the TUI and the command line. Importing this package costs nothing."""
