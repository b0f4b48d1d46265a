"""Evaluation: benchmarks as data, metrics, what an answer is worth, the run over all of it."""
