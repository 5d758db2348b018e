"""The HTTP API: OpenAI's shapes, and Ominix's own routes, over one Hub."""
