"""Import what the fork server of `warm` gives to its copies.

No thread may be started, or a copy would lack it; but pyarrow's own, which frees memory, may.
"""

from importlib import import_module

from ikusi.imports import keep_imports

LIBRARIES = (
    *("pandas", "PIL.Image", "pydantic", "rich.progress", "typer"),
    *("accelerate.utils", "peft", "pyarrow.parquet", "safetensors.torch", "scipy.stats"),
    *("transformers.image_processing_backends", "transformers.modeling_utils"),
    *("transformers.optimization", "transformers.trainer_utils", "transformers.integrations"),
    *("transformers.models.auto.modeling_auto", "transformers.models.clip.modeling_clip"),
    *("transformers.models.llama.modeling_llama", "transformers.models.llava.modeling_llava"),
    *("torch.distributed.run", "torch.utils.data"),
)

with keep_imports():
    for name in LIBRARIES:
        import_module(name)
