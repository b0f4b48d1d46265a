"""Differences between runs, how certain they are, and what they say of a study's findings.

`join` lays the rows of two evaluations side by side, `runs` compares them. `reading` opens a
study's folder, `evidence` draws paired samples from its rows, `claims` is what comparisons of runs
are made of, and `findings` are the paper's, a file each. Nothing here draws.
"""
