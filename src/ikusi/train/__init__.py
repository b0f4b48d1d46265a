"""Training: batches without padding, and a stage from its first step to its checkpoint.

`stages` runs a stage: read it first. `steps` says which samples each step trains on, `batches` lays
them end to end, `attention` keeps those that share a row apart, `packed` is the model that reads
them, `features` encodes their pictures by a frozen vision encoder. `loop` makes the steps,
with an `optimizer` and a model that `divisions` spreads over the processes that `parallel` brings
together; `lora` gives it adapters. `reporter` and `trackers` report each step; `checkpoints` holds
what a killed stage goes on from, `saving` writes what it ends with.
"""
