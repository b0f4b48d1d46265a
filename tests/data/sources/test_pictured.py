"""The data sets with pictures, in the hub's own schemas."""

import io
from pathlib import Path
from typing import Any

import pytest
from datasets import List
from PIL import Image

from data.sources.hub import (
    IMAGE,
    TEXT,
    Value,
    bad,
    card,
    cell,
    good,
    jpeg,
    left_out,
    parquet,
    read,
    tar,
    written,
    zipped,
)
from ikusi.errors import InputError

AOKVQA = {
    "image": IMAGE,
    "question_id": TEXT,
    "question": TEXT,
    "choices": List(TEXT),
    "correct_choice_idx": Value("int8"),
    "direct_answers": TEXT,
    "difficult_direct_answer": Value("bool"),
    "rationales": List(TEXT),
}
ANSWER = {"answer": TEXT, "answer_confidence": TEXT, "answer_id": Value("int64")}
VQAV2 = {
    "question_type": TEXT,
    "multiple_choice_answer": TEXT,
    "answers": List(ANSWER),
    "image_id": Value("int64"),
    "answer_type": TEXT,
    "question_id": Value("int64"),
    "question": TEXT,
    "image": IMAGE,
}
WILDVISION = {"question_id": TEXT, "instruction": TEXT, "image": IMAGE, "language": TEXT}


def shard(*keys: str, **missing: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for key in keys:
        members[f"{key}.jpg"] = jpeg(int(key))
        members[f"{key}.json"] = b'{"url": "http://pictures.example/%s"}' % key.encode()
        members[f"{key}.txt"] = b"it 's a dog , and a cat"
    return members


def test_cc3m_reads_shards_in_order_and_joins_the_captions_tokens(tmp_path: Path) -> None:
    tar(tmp_path / "cc3m-train-0001.tar", shard("000010000"))
    tar(tmp_path / "cc3m-train-0000.tar", shard("000000000", "000000001"))
    tar(tmp_path / "cc3m-validation-0000.tar", shard("000000009"))
    rows = good(read("cc3m", tmp_path))
    assert [row.id for row in rows] == ["000000000", "000000001", "000010000"]
    assert rows[0].texts == {"en": {"text": "it's a dog, and a cat"}}
    assert rows[0].picture is not None
    assert rows[0].picture.source == "http://pictures.example/000000000"
    assert Image.open(io.BytesIO(rows[0].picture.read())).size == (8, 8)


def test_cc3m_validation_has_no_addresses_and_a_bad_row_stops_nothing(tmp_path: Path) -> None:
    members = {"1.txt": b"a lake", "2.jpg": jpeg(), "2.txt": b"\xff\xfe", "3.jpg": jpeg()}
    members |= {"4.jpg": jpeg(), "4.txt": b"a tree .", "4.json": b"{", "5.jpg": jpeg()}
    members |= {"5.txt": b"the sea"}
    items = read("cc3m", tar(tmp_path / "cc3m-validation-0000.tar", members), "validation")
    assert [row.id for row in good(items)] == ["5"]
    assert good(items)[0].picture.source == "pixparse/cc3m-wds: 5"  # type: ignore[union-attr]
    assert set(bad(items)) == {"1", "2", "3", "4"}
    assert bad(items)["1"] == "picture: expected bytes, found none"
    assert bad(items)["3"] == "txt: expected a value, found none"


def conversation(*said: str) -> list[dict[str, str]]:
    return [
        {"from": "gpt" if place % 2 else "human", "value": text} for place, text in enumerate(said)
    ]


def test_llava_takes_the_mark_out_and_tells_where_it_was(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "image": "1.jpg", "conversations": conversation("<image>\nWhat is it?", "A")},
        {"id": "b", "image": "1.jpg", "conversations": conversation("What is it?\n<image>", "B")},
        {
            "id": "c",
            "image": "1.jpg",
            "conversations": conversation("Hi", "Hi", "See <image> here", "C"),
        },
        {"id": "d", "conversations": conversation("Hello", "Good day")},
    ]
    zipped(tmp_path / "images.zip", {"1.jpg": jpeg()})
    items = good(read("llava", written(tmp_path / "chat.json", rows)))
    contents = [[turn["content"] for turn in row.texts["en"]["turns"]] for row in items]
    assert contents[0] == ["What is it?", "A"]
    assert contents[1] == ["What is it?", "B"]
    assert contents[2] == ["Hi", "Hi", "See\nhere", "C"]
    flags = [row.texts["en"].get("flags") for row in items]
    assert flags == [None, ["picture_moved"], ["picture_moved"], None]
    assert items[0].picture is not None and items[0].picture.read() == jpeg()
    assert items[3].picture is None


def test_llava_ids_may_be_numbers_and_come_again(tmp_path: Path) -> None:
    said = conversation("What?", "That.")
    ids: list[Any] = [33471, 33471.0, "33471", None, True]
    rows = [{"id": id, "conversations": said} for id in ids]
    items = read("llava", written(tmp_path / "rows.json", rows))
    assert [row.id for row in good(items)] == ["33471", "33471#2", "33471#3"]
    assert bad(items)["row 3"] == "id: expected a value, found none"
    assert bad(items)["True"] == "id: expected text or a whole number, found True"


def test_llavas_own_file_is_found_among_the_others_of_its_folder(tmp_path: Path) -> None:
    row = {
        "id": "GCC_train_0",
        "image": "0.jpg",
        "conversations": conversation("<image>\nSay.", "A"),
    }
    written(tmp_path / "chat.json", [row])
    written(tmp_path / "metadata.json", [{"caption": "a cat", "image": "0.jpg"}])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.jpg").write_bytes(jpeg())
    items = read("llava", tmp_path, table="LLaVA-CC3M-Pretrain-595K")
    assert len(items) == 1 and good(items)[0].picture.read() == jpeg()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": ["1.jpg", "2.jpg"]}, "image: expected one picture, found 2"),
        ({"image": "../secret.jpg"}, "image: expected a name within the folder"),
        ({"image": "/etc/passwd"}, "image: expected a name within the folder"),
        ({"conversations": None}, "conversations: expected a list of turns, found None"),
        ({"conversations": [{"from": "human"}]}, "value or content: expected a value"),
        ({"conversations": conversation("<image>", "A")}, "<image>: expected at most 0, found 1"),
        ({"conversations": ["Hello"]}, "row: expected the columns of its type"),
    ],
)
def test_llava_sets_aside_what_it_cannot_read(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    whole = {"id": "a", "conversations": conversation("Hi", "Hi")} | row
    items = read("llava", written(tmp_path / "rows.json", [whole, "no row"]))
    assert bad(items)["a"].startswith(reason)
    assert bad(items)["row 1"] == "row: expected keys and values, found 'no row'"


def question(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "image": cell(jpeg(number)),
        "question_id": f"q{number}",
        "question": f"What is {number}?",
        "choices": ["a cat", "a dog", "a hat", "a bat"],
        "correct_choice_idx": 2,
        "direct_answers": "['hat', \"a man's hat\", 'hat']",
        "difficult_direct_answer": False,
        "rationales": ["It is."],
    }
    return row | changes


def test_aokvqa_reads_train_and_then_validation(tmp_path: Path) -> None:
    train, validation = [question(1), question(2, correct_choice_idx=None)], [question(3)]
    parquet(tmp_path / "data/validation-00000-of-00001-b.parquet", validation, AOKVQA)
    parquet(tmp_path / "data/train-00000-of-00001-a.parquet", train, AOKVQA)
    items = read("aokvqa", tmp_path)
    assert [row.id for row in good(items)] == ["q1", "q3"]
    assert good(items)[0].texts["en"]["choices"][2] == "a hat"
    assert bad(items) == {"q2": "correct_choice_idx: expected a whole number, found None"}
    direct = good(read("aokvqa", tmp_path, row_type="vqa"))
    assert direct[0].texts["en"]["answers"] == ["hat", "a man's hat", "hat"]
    assert [row.id for row in good(read("aokvqa", tmp_path, "validation"))] == ["q3"]


def test_aokvqa_reads_the_authors_json_and_cocos_archives(tmp_path: Path) -> None:
    row = {"split": "val", "image_id": 42, "direct_answers": ["hat"] * 10}
    official = question(1) | row
    del official["image"]
    written(tmp_path / "aokvqa" / "aokvqa_v1p0_val.json", [official])
    coco = tmp_path / "coco"
    coco.mkdir()
    zipped(coco / "val2017.zip", {"val2017/000000000042.jpg": jpeg(42)})
    items = read("aokvqa", tmp_path / "aokvqa", "validation", images=str(coco))
    picture = good(items)[0].picture
    assert picture is not None and picture.image_id == "42" and picture.read() == jpeg(42)
    (coco / "val2017").mkdir()
    (coco / "val2017/000000000042.jpg").write_bytes(jpeg(43))
    unpacked = good(read("aokvqa", tmp_path / "aokvqa", "validation", images=str(coco)))[0].picture
    assert unpacked is not None and unpacked.read() == jpeg(43)


def asked(id: int, answers: Any, image: Any) -> dict[str, Any]:
    return {
        "question_type": "is the",
        "multiple_choice_answer": "yes",
        "answers": answers,
        "image_id": 262148,
        "answer_type": "other",
        "question_id": id,
        "question": "Is the sky blue?",
        "image": image,
    }


def test_vqav2_keeps_ten_answers_in_order(tmp_path: Path) -> None:
    said = ["yes", "no", "yes", "maybe", "yes", "10.52", "a, b", "no", "yes", "up"]
    answers = [
        {"answer": text, "answer_confidence": "maybe", "answer_id": place + 1}
        for place, text in enumerate(said)
    ]
    rows = [asked(262148000, answers, cell(jpeg())), asked(262148001, None, cell(jpeg()))]
    path = parquet(tmp_path / "data/validation-00000-of-00068.parquet", rows, VQAV2)
    items = read("vqav2", tmp_path)
    row = good(items)[0]
    assert row.id == "262148000" and row.task == "other"
    assert row.texts["en"] == {"question": "Is the sky blue?", "answers": said}
    assert row.picture is not None and row.picture.image_id == "262148"
    assert bad(items) == {"262148001": "answers: expected a value, found none"}
    assert read("vqav2", path) == items


def test_vqav2_without_pictures_finds_them_in_cocos_folder(tmp_path: Path) -> None:
    folder = tmp_path / "coco" / "val2014"
    folder.mkdir(parents=True)
    (folder / "COCO_val2014_000000262148.jpg").write_bytes(jpeg(9))
    table = written(tmp_path / "rows.json", [asked(1, ["yes"] * 10, None)])
    row = good(read("vqav2", table, images=str(tmp_path / "coco")))[0]
    assert row.picture is not None and row.picture.read() == jpeg(9)


def wildvision(folder: Path, config: str, split: str, ids: list[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"question_id": id, "instruction": "Tell.", "image": cell(jpeg()), "language": "English"}
        for id in ids
    ]
    rows[-1]["language"] = "Spanish"
    parquet(folder / config / f"{split}-00000-of-00001.parquet", rows, WILDVISION)


def test_wildvision_has_releases_and_a_keep_list(tmp_path: Path) -> None:
    configs = {"vision_bench_0617": ["a", "b", "c", "d"], "vision_bench_0701": ["e", "f"]}
    card(tmp_path, {name: {"test": f"{name}/test-*"} for name in configs})
    for name, ids in configs.items():
        wildvision(tmp_path, name, "test", ids)
    assert [row.id for row in good(read("wildvision", tmp_path))] == ["a", "b", "c"]
    newer = read("wildvision", tmp_path, table="vision_bench_0701")
    assert [row.id for row in good(newer)] == ["e"] and left_out(newer) == ["not in English"]
    keep = tmp_path / "keep.txt"
    keep.write_text("# chosen by hand\nc\na\n\nz\n")
    items = read("wildvision", tmp_path, keep=str(keep))
    assert [row.id for row in good(items)] == ["a", "c"]
    assert left_out(items) == ["not in the keep-list", "not in English"]
    assert bad(items) == {"z": "keep-list: expected a row of this id, found none"}


def test_wildvisions_arena_has_a_split_of_its_own(tmp_path: Path) -> None:
    card(tmp_path, {"release_bench_0617": {"test500": "release_bench_0617/test500-*"}})
    wildvision(tmp_path, "release_bench_0617", "test500", ["a", "b"])
    assert len(good(read("wildvision", tmp_path, table="release_bench_0617"))) == 1
    with pytest.raises(InputError, match="split: expected test500, found test"):
        read("wildvision", tmp_path, "test", table="release_bench_0617")
