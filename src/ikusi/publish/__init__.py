"""A model taken out of Ikusi: the LLM alone, or files for llama.cpp."""
