"""Settings of image processors such as the families' models have on the hub; written down without
it, so a model's own may differ."""

from typing import Any

CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
COMMON = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "rescale_factor": 1 / 255,
}
LANCZOS, BILINEAR, BICUBIC = 1, 2, 3


def square(side: int) -> dict[str, int]:
    """A size, as image processors have it."""
    return {"height": side, "width": side}


def crop(kind: str, side: int) -> dict[str, Any]:
    """CLIP's way: the shorter side resized, the middle cut out."""
    sizes = {"size": {"shortest_edge": side}, "crop_size": square(side), "do_center_crop": True}
    return {"image_processor_type": kind, "resample": BICUBIC, **sizes, **CLIP}


def split(kind: str, whole: int, tile: int) -> dict[str, Any]:
    """Tiles of a picture whose longer side is resized."""
    sizes = {"size": {"longest_edge": whole}, "max_image_size": {"longest_edge": tile}}
    own = {"do_image_splitting": True, "do_pad": True, "resample": LANCZOS}
    return {"image_processor_type": kind, **own, **sizes, **HALVES}


QWEN_2 = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    **CLIP,
}
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "llava": (crop("CLIPImageProcessor", 336), {"patch_size": 14}),
    "llava_next": (
        {
            **crop("LlavaNextImageProcessor", 336),
            "do_pad": True,
            "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
        },
        {"patch_size": 14},
    ),
    "llava_onevision": (
        {
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "do_pad": True,
            "resample": BICUBIC,
            "size": square(384),
            **HALVES,
            "image_grid_pinpoints": [
                [384 * high, 384 * wide] for high in range(1, 7) for wide in range(1, 7)
            ],
        },
        {"num_image_tokens": 729},
    ),
    "qwen2_vl": (QWEN_2, {}),
    "qwen2_5_vl": (QWEN_2, {}),
    "qwen3_vl": (
        {
            "image_processor_type": "Qwen2VLImageProcessorFast",
            **HALVES,
            "size": {"longest_edge": 16777216, "shortest_edge": 65536},
            "patch_size": 16,
            "temporal_patch_size": 2,
            "merge_size": 2,
        },
        {},
    ),
    "smolvlm": (split("SmolVLMImageProcessor", 2048, 512), {"image_seq_len": 64}),
    "idefics3": (split("Idefics3ImageProcessor", 1456, 364), {"image_seq_len": 169}),
    "gemma3": (
        {
            "image_processor_type": "Gemma3ImageProcessor",
            "resample": BILINEAR,
            "size": square(896),
            **HALVES,
        },
        {"image_seq_length": 256},
    ),
    "internvl": (
        {
            "image_processor_type": "GotOcr2ImageProcessorFast",
            "resample": BICUBIC,
            "crop_to_patches": True,
            "min_patches": 1,
            "max_patches": 12,
            "size": square(448),
            **IMAGENET,
        },
        {"image_seq_length": 256},
    ),
    "paligemma": (
        {
            "image_processor_type": "SiglipImageProcessor",
            "resample": BICUBIC,
            "size": square(224),
            "image_seq_length": 256,
            **HALVES,
        },
        {},
    ),
}
"""Of each family, what `preprocessor_config.json` holds, and `processor_config.json` besides."""
