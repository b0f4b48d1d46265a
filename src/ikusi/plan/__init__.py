"""Plans of recipes, made before anything runs: memory, hours, money and energy of every step.

`shapes` says how large models are, from their `config.json` alone, `amounts` how many rows and
tokens corpora have, `work` what that makes of each step. `pace` turns operations into hours: by
what this machine or this card was seen to do (`ikusi.speeds`), else by published efficiencies, and
says which. `fitting` looks for the smallest change that makes a step fit; `planning` joins all
this, with the steps laid out on the GPUs there are as a study would (`ikusi.study.timetable`), and
`table` and `page` show it. What a study that runs will still take is estimated by it too.

No model is opened and no tensor library loaded.
"""
