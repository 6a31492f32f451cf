"""Bytes on disk: files written whole or not at all, model files and checkpoints."""
