"""The multimodal model: a vision encoder, a connector and an LLM, and the conversations it reads.

`fusion` assembles, saves and opens checkpoints of the stock LLaVA class; `chat` turns
conversations into tokens and marks the ones to learn; `tokens` holds control tokens and templates.
"""
