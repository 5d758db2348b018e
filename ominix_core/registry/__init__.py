"""The JSON registry: the single source of truth about models."""
