"""MLX code of models that no library ships. Imported inside a worker only."""
