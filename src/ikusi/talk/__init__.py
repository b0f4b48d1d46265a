"""A model, or two side by side, tried in a browser: a picture, a question, the answer as it comes.

`desk` lets a model answer one question after another, `conversation` is what is kept of a talk, and
where; `serving` sends the pages.
"""
