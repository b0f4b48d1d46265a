"""Evaluation: benchmarks as data, scoring, generation, metrics, statistics, the run over them."""
