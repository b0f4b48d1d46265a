"""The report of a study, drawn: figures, tables, examples, and the page that holds them."""
