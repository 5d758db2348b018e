"""`python -m ominix_tui` is the `ominix` command."""

from ominix_tui.main import main

if __name__ == "__main__":
    main()
