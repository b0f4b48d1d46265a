"""Training: batches without padding, and a stage from its first step to its checkpoint.

`attention` keeps samples that share a row apart; `batches` lays them end to end; `features` keeps
what a frozen vision encoder says of a picture; `trainer` is transformers' `Trainer` fed with them;
`checkpoints` holds what a killed stage goes on from; `stages` runs a stage.
"""
