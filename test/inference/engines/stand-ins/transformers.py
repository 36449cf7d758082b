"""Stands in for transformers: a token is a character, and a model answers with the prompt from its end."""

import atexit
import json
import os
import time


class Rows(list):
    @property
    def shape(self):
        return (len(self), len(self[0]))

    def __getitem__(self, place):
        if isinstance(place, tuple):
            return Rows([row[place[1]] for row in list.__getitem__(self, place[0])])
        return list.__getitem__(self, place)


class Tokens(dict):
    def to(self, device):
        return self


class Tokenizer:
    pad_token = None
    eos_token = "."
    pad_token_id = 0

    def __call__(self, texts, return_tensors=None, padding=False):
        if isinstance(texts, str):
            return Tokens(input_ids=list(texts))
        longest = max(len(text) for text in texts)
        return Tokens(input_ids=Rows([list(text.rjust(longest)) for text in texts]))

    def batch_decode(self, rows, skip_special_tokens):
        return ["".join(row).strip() for row in rows]


class AutoTokenizer:
    @staticmethod
    def from_pretrained(path, **settings):
        assert set(settings) <= {"padding_side"}
        return Tokenizer()


def note(**entry):
    if "STAND_IN_LOG" in os.environ:
        with open(os.environ["STAND_IN_LOG"], "a") as log:
            log.write(json.dumps({"rank": os.environ["RANK"], "world": os.environ["WORLD_SIZE"], "process": os.getpid(), **entry}) + "\n")


class Model:
    def to(self, device):
        return self

    def eval(self):
        return self

    def generate(self, input_ids, max_new_tokens, do_sample, temperature=None):
        prompts = ["".join(row).strip() for row in input_ids]
        note(prompts=prompts, do_sample=do_sample)
        if prompts == ["slow"]:
            time.sleep(1.5)
        if prompts == ["endless"]:
            # What CUDA's runtime does to a process that ends while one of its threads computes (seen on an H200, PyTorch 2.11).
            atexit.register(os.abort)
            time.sleep(60)
        if prompts == ["broken"]:
            raise RuntimeError("the device has fallen off the bus")
        return Rows([row + list("".join(row)[::-1].strip()[:max_new_tokens]) for row in input_ids])


class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(path, dtype):
        assert dtype in ("float32", "bfloat16", "float16")
        note(loaded=path, dtype=dtype)
        return Model()


class GenerationConfig:
    def __init__(self, max_new_tokens, pad_token_id, do_sample, temperature=None):
        self.max_new_tokens = max_new_tokens


AutoImageProcessor = AutoModel = AutoModelForImageClassification = None
