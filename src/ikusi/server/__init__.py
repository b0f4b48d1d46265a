"""One connection to an OpenAI-compatible server, and one behaviour for all who ask it."""
