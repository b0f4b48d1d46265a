"""The miniature's words: what CLDR knows of a language, and sentences and questions made of it."""
