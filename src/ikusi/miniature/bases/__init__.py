"""Small base models: an encoder of drawings, LLMs of words, and where those are that are made."""
