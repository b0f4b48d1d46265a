"""From rows of pictures and texts to a figure: the whole of Ikusi in one short script.

Does a model need to train on Basque to answer in Basque? Two models are compared that differ in
one thing, the share of Basque in their instructions. On two CPU cores it takes three minutes:

    .venv/bin/python examples/from_rows_to_figure.py [FOLDER]
"""

import sys
from pathlib import Path

import ikusi

TARGET, SOURCE = LANGUAGES = "eu", "en"
SHARES = {"no Basque instructions": 0.0, "80 % Basque instructions": 0.8}
TABLES = {"captions": "caption", "instructions": "instruction", "questions": "vqa"}
work = Path(sys.argv[1] if len(sys.argv) > 1 else "studies/example")

# 1. Rows, as you may have them: tables of JSON lines, each beside a folder of pictures.
#    These are drawn from emoji, with texts in both languages.
rows = ikusi.write_miniature_rows(work / "rows", TARGET, SOURCE)

# 2. Import: every row and picture is checked, and a bad one is set aside with its reason.
corpora = {}
for name, row_type in TABLES.items():
    folder, table = work / "corpora" / name, rows / name / "rows.jsonl"
    counts = ikusi.import_corpus("table", folder, table, row_type=row_type, languages=[*LANGUAGES])
    print(f"imported {name}: {counts['rows']} rows, {counts['quarantined']} set aside")
    corpora[name] = ikusi.Corpus.open(folder)

# 3. Mixtures: the share decides which rows are in Basque. The rows are the same in every run.
#    A caption answers a request for one, which each language words in its own way.
requests = {code: ikusi.load_language(code).prompts["caption"] for code in LANGUAGES}
captions = ikusi.MixturePart(corpora["captions"], 0.8, prompts=requests)
instructions = {name: ikusi.MixturePart(corpora["instructions"], SHARES[name]) for name in SHARES}

# 4. Align: a fresh connector between a vision encoder and an LLM learns from captions.
encoder, llm = map(ikusi.find_miniature_model, ("miniature/encoder", "miniature/llama-eu"))
model, processor = ikusi.assemble(encoder, llm, feature_layer=-1)
ikusi.calibrate_connector(model, processor, corpora["captions"])
mixture = ikusi.Mixture([captions], TARGET, SOURCE, seed=0)
ikusi.train_stage(
    model, processor, mixture, work / "align", trainable=["connector"], optimizer="muon",
    learning_rate=5e-3, weight_decay=4.0, batch_size=8, epochs=1, precision="fp32",
)  # fmt: skip

measured = {}
for number, (name, part) in enumerate(instructions.items()):
    # 5. Instruct: connector and LLM learn from conversations about other pictures.
    model, processor = ikusi.load(work / "align" / "checkpoint")
    mixture, run = ikusi.Mixture([part], TARGET, SOURCE, seed=0), work / f"run-{number}"
    summary = ikusi.train_stage(
        model, processor, mixture, run, trainable=["connector", "llm"], optimizer="muon",
        learning_rate=2e-3, weight_decay=0.01, batch_size=16, epochs=1, precision="fp32",
    )  # fmt: skip
    print(f"trained on {name}: rows by language {summary['counts']['languages']}")

    # 6. Evaluate: questions about pictures that neither model was trained on, in both languages.
    asked = {"miniature/vqa": corpora["questions"]}
    measured[name] = ikusi.evaluate_model(run / "checkpoint", asked, LANGUAGES, run / "scores")

# 7. Figure: each score with its 95 % interval, beside what guessing would reach.
print("the figure:", ikusi.draw_scores(measured, work / "figure", "Questions about pictures"))
