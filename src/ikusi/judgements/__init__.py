"""Who said what of which item: one table for people and models, and the figures computed from it.

`append` adds rows to a table, `read` yields all of them, `Judgement` is one. `latest` has what
counts of them, `acceptance` the paper's table 1, `preferences` its table 2, `agreement` how far
raters, and people and a judge, say the same.
"""

from ikusi.judgements.journal import Journal, append, open_journal, read
from ikusi.judgements.judgement import Judgement

__all__ = ["Journal", "Judgement", "append", "open_journal", "read"]
