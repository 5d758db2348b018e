"""A Hub behind a server: `RemoteHub` is in `hub`, and how a server is found in `address`."""
