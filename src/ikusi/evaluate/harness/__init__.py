"""For users of lmms-eval or lm-evaluation-harness: our benchmarks as their tasks, and our scorer as
a model of lmms-eval. Nothing else of Ikusi depends on either."""
