"""The report of a study: figures, tables, tests of the findings, and the page that holds them."""
