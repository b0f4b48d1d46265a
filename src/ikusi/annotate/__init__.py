"""People give judgements: what each of them is asked, the pages that ask, and what comes of it.

`plan` draws the items and makes a project, `project` is its folder.
"""
