from recorded import check
from transformers import note

from colossalai import RECORD


class InferenceConfig:
    def __init__(self, **settings):
        check(settings, RECORD["inferenceConfig"])
        note(config={name: value for name, value in settings.items() if name != "dtype"})


class InferenceEngine:
    def __init__(self, model_or_path, tokenizer, inference_config):
        check(["model_or_path", "tokenizer", "inference_config"], RECORD["inferenceEngine"])

    def generate(self, **settings):
        check(settings, RECORD["generate"])
        most = settings["generation_config"].max_new_tokens
        return [prompt[::-1][:most] for prompt in settings["prompts"]]
