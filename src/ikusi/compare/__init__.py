"""What differs between runs, how surely, and what that says of a study's findings.

`join` lays the rows of two evaluations side by side, `runs` compares them. `reading` opens a
study's folder, `evidence` draws paired samples from its rows, `claims` says which runs each finding
compares, and `findings` decides. Nothing here draws.
"""
