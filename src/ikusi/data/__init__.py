"""Parallel corpora: rows in several languages over pictures that are stored once."""
