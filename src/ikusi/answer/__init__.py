"""A model that is asked, wherever it runs: queries in, answers or log-probabilities out.

`engine` is the contract, `engines/` are the places where a model runs. `prefix` and `cache` read
what prompts have in common once; `score` and `generate` are what a model here is asked for; `chat`
is a talk with one. Nothing here knows a benchmark.
"""
