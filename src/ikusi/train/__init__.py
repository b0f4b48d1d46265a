"""Training: batches without padding, and a stage from its first step to its checkpoint.

`attention` keeps samples that share a row apart; `batches` lays them end to end, `steps` says which
they are, `features` what a frozen vision encoder says of their pictures; `packed` is the model that
reads them; `trainer` is transformers' `Trainer` fed with them, `parallel` divides a model among
processes, `lora` gives it adapters; `checkpoints` holds what a killed stage goes on from, `saving`
writes what it ends with; `stages` runs a stage.
"""
