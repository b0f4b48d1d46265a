"""Pictures behind URLs: which may be asked for, how often, and what became of each."""
