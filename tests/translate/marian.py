"""A small MarianMT that really translates a small grammar; trained once a machine, then cached."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from ikusi import artifact

NOUNS = {
    "dog": "txakurra", "cat": "katua", "man": "gizona", "woman": "emakumea", "child": "haurra",
    "horse": "zaldia", "bird": "txoria", "house": "etxea", "boat": "itsasontzia", "car": "autoa",
    "tree": "zuhaitza", "book": "liburua",
}  # fmt: skip
QUALITIES = {
    "big": "handia", "small": "txikia", "red": "gorria", "white": "zuria", "black": "beltza",
    "old": "zaharra", "new": "berria", "happy": "alaia",
}  # fmt: skip
PLACES = {
    "in the street": "kalean", "on the beach": "hondartzan", "at home": "etxean",
    "in the mountains": "mendian", "in the river": "ibaian", "in the city": "hirian",
}  # fmt: skip
SEED, STEPS, BATCH, PIECES = 0, 220, 48, 160


def sentences() -> list[tuple[str, str]]:
    """Every sentence of the grammar, English and Basque, shuffled."""
    pairs = [
        (f"The {quality} {noun} is {where}.", f"{NOUNS[noun]} {QUALITIES[quality]} {there} dago.")
        for noun, quality, (where, there) in itertools.product(NOUNS, QUALITIES, PLACES.items())
    ]
    pairs += [
        (f"The {noun} is {quality}.", f"{NOUNS[noun]} {QUALITIES[quality]} da.")
        for noun, quality in itertools.product(NOUNS, QUALITIES)
    ]
    pairs = [(english, basque[0].upper() + basque[1:]) for english, basque in pairs]
    random.Random(SEED).shuffle(pairs)
    return pairs


def trained() -> Path:
    """The model's folder."""
    recipe = [sentences(), SEED, STEPS, BATCH, PIECES, artifact.list_versions()]
    name = artifact.fingerprint(recipe, Path(__file__).read_text())
    folder = platformdirs.user_cache_path("ikusi") / "tests" / f"marian-{name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not artifact.is_current(folder, name):
            with artifact.write_folder(folder, fingerprint=name) as staging:
                _train(staging)
    return folder


def tokenizer_files(folder: Path, pieces: int = PIECES) -> None:
    """SentencePiece models and vocabulary, laid out as Marian's checkpoints have them."""
    import sentencepiece

    pairs = sentences()
    vocabulary = {"</s>": 0, "<unk>": 1}
    for side, name in enumerate(("source", "target")):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([pair[side] for pair in pairs]),
            model_prefix=str(folder / name),
            vocab_size=pieces,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        for line in (folder / f"{name}.vocab").read_text().splitlines():
            vocabulary.setdefault(line.split("\t")[0], len(vocabulary))
        (folder / f"{name}.vocab").unlink()
    vocabulary.pop("<s>", None)
    vocabulary = {piece: place for place, piece in enumerate(vocabulary)}
    vocabulary["<pad>"] = len(vocabulary)
    write_vocabulary(folder, vocabulary)
    told = {"source_lang": "en", "target_lang": "eu", "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


def write_vocabulary(folder: Path, vocabulary: dict[str, int]) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))


def _train(folder: Path) -> None:
    import torch
    from transformers import MarianMTModel, MarianTokenizer

    tokenizer_files(folder)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    torch.manual_seed(SEED)
    model = MarianMTModel(config(len(tokenizer), tokenizer.pad_token_id))
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        weight[tokenizer.pad_token_id] = 0.0  # and so it stays, as in Marian's own models
    weight.register_hook(
        lambda slope: slope.index_fill(0, torch.tensor([tokenizer.pad_token_id]), 0.0)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    chance = random.Random(SEED)
    pairs = sentences()[60:]
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20) * (1 - step / STEPS)
        source, target = zip(*chance.sample(pairs, BATCH), strict=True)
        batch = tokenizer(list(source), text_target=list(target), padding=True, return_tensors="pt")
        labels = batch.pop("labels")
        loss = model(
            **batch, labels=labels.masked_fill(labels == tokenizer.pad_token_id, -100)
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


def config(pieces: int, pad: int, **sizes: int) -> Any:
    """A small Marian; `sizes` make it another."""
    from transformers import MarianConfig

    small = {
        "d_model": 96,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 192,
        "decoder_ffn_dim": 192,
        "max_position_embeddings": 64,
    }
    return MarianConfig(
        vocab_size=pieces,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
        scale_embedding=True,
        dropout=0.0,
        num_beams=1,
        **(small | sizes),
    )
