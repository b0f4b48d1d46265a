"""Translation of a corpus into a language: engines, prompts, checks, and the job that runs them."""
