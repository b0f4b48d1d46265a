#!/usr/bin/env bash
# CTranslate2 takes a target prefix that is not in the vocabulary as <unk>: no error, no warning, not
# even with disable_unk=True, and the translation goes on from <unk>. So a language code that is
# misspelt by one letter ("eus_latn" for "eus_Latn") gives text that nobody asked for.
# Likewise a source tag that is not there is read as <unk>.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ctranslate2==4.8.5 numpy==2.4.6
cat > "$folder/prefix.py" <<'PYTHON'
"""A translation model with random weights and eleven tokens, asked with right and wrong tags."""

import sys
import tempfile
import warnings

import ctranslate2
import numpy as np
from ctranslate2.specs import transformer_spec

warnings.simplefilter("error")  # a warning would end this
ctranslate2.set_random_seed(0)
WIDTH, HIDDEN = 8, 16
TOKENS = ["<blank>", "<s>", "</s>", "<unk>", "eng_Latn", "eus_Latn", "fra_Latn", *"abcd"]
draw = np.random.default_rng(0)


def numbers(*shape):
    return draw.normal(0, 1, shape).astype(np.float32)


def norm(spec):
    spec.gamma, spec.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)


def linear(spec, out, into):
    spec.weight, spec.bias = numbers(out, into), numbers(out)


def attention(spec, sizes):
    norm(spec.layer_norm)
    for part, size in zip(spec.linear, sizes):
        linear(part, size, WIDTH)


def side(spec):
    norm(spec.layer_norm)
    layer = spec.layer[0]
    attention(layer.self_attention, [3 * WIDTH, WIDTH])
    norm(layer.ffn.layer_norm)
    linear(layer.ffn.linear_0, HIDDEN, WIDTH)
    linear(layer.ffn.linear_1, WIDTH, HIDDEN)


spec = transformer_spec.TransformerSpec.from_config((1, 1), 2)
spec.encoder.embeddings[0].weight = numbers(len(TOKENS), WIDTH)
spec.decoder.embeddings.weight = numbers(len(TOKENS), WIDTH)
side(spec.encoder)
side(spec.decoder)
attention(spec.decoder.layer[0].attention, [WIDTH, 2 * WIDTH, WIDTH])
linear(spec.decoder.projection, len(TOKENS), WIDTH)
spec.register_source_vocabulary(TOKENS)
spec.register_target_vocabulary(TOKENS)
spec.validate()
folder = tempfile.mkdtemp()
spec.save(folder)
translator = ctranslate2.Translator(folder, device="cpu")


def translated(source, target):
    found = translator.translate_batch(
        [[source, "a", "b", "</s>"]],
        target_prefix=[[target]],
        max_decoding_length=4,
        beam_size=1,
        disable_unk=True,
    )[0].hypotheses[0]
    print(f"source tag {source:9} target prefix {target:9} -> {' '.join(found)}")
    return found


print("ctranslate2", ctranslate2.__version__, "numpy", np.__version__, "Python", sys.version.split()[0])
right = translated("eng_Latn", "eus_Latn")
wrong = translated("eng_Latn", "eus_latn")
unknown_source = translated("eng_latn", "eus_Latn")
unk_source = translated("<unk>", "eus_Latn")
silent = right[0] == "eus_Latn" and wrong[0] == "<unk>" and unknown_source == unk_source != right
print("a tag that the vocabulary lacks is read as <unk>, without a word:", silent)
sys.exit(not silent)
PYTHON
"$folder/venv/bin/python" "$folder/prefix.py"
