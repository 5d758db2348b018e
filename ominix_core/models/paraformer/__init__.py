"""Paraformer, a speech recognition model of FunASR: what its networks, which are funasr-mlx's, need around them."""
