"""Our model's entry for lmms-eval, in its entry-point group ``lmms_eval.models``."""

from lmms_eval.models.registry_v2 import ModelManifest

manifest = ModelManifest(
    model_id="ikusi", simple_class_path="ikusi.evaluate.harness.lmms_model.Ikusi"
)
