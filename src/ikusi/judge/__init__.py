"""A model compares two models' answers: asked in both orders, with controls, into the one table.

`run.judge` does it, `run.estimate` says what it would take, `figures.compute` how far the judge may
be believed.
"""
