"""Judgements of people and models about items: one table, and the figures computed from it.

`append` adds rows to a table, `read` yields all of them, `Judgement` is one. `latest` keeps
those that count, `acceptance` gives the paper's table 1, `preferences` its table 2, `agreement` the
agreement of raters with each other, and of people with a judge.
"""

from ikusi.judgements.journal import Journal, append, open_journal, read
from ikusi.judgements.judgement import Judgement

__all__ = ["Journal", "Judgement", "append", "open_journal", "read"]
