"""A model of transformers behind serving.py, quantised by torchao: text, embeddings or classes of an image, on one device."""

import base64
import binascii
import io

import torch
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoModelForImageClassification, AutoTokenizer

import serving


def quantise(model, how):
    """FP8, INT8 or INT4 of the linear layers by quantize_(): what replaces torch.ao.quantization's prepare_fx."""
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, Float8WeightOnlyConfig, Int4WeightOnlyConfig, Int8WeightOnlyConfig, PerRow, quantize_

    if how == "float8-dynamic":
        quantize_(model, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()))
    elif how == "float8-weight-only":
        quantize_(model, Float8WeightOnlyConfig())
    elif how == "int8-weight-only":
        quantize_(model, Int8WeightOnlyConfig())
    elif how == "int4-weight-only":
        quantize_(model, Int4WeightOnlyConfig(group_size=128))


def prepared(model_class, options):
    model = model_class.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).to(options.device).eval()
    if options.quantization is not None:
        quantise(model, options.quantization)
    return model


def text_generation(options):
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = prepared(AutoModelForCausalLM, options)

    def generate(prompts, max_tokens, temperature):
        tokens = tokenizer(prompts, return_tensors="pt", padding=True).to(options.device)
        length = tokens["input_ids"].shape[1]
        if length + max_tokens > options.max_model_len:
            raise serving.Refused(f"{length} tokens of prompt and {max_tokens} more are above {options.max_model_len}")
        sampling = {"do_sample": True, "temperature": float(temperature)} if temperature > 0 else {"do_sample": False}
        with torch.inference_mode():
            output = model.generate(**tokens, max_new_tokens=max_tokens, **sampling)
        return tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)

    return serving.completions(options, generate)


def text_encoder(options):
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = prepared(AutoModel, options)

    def embed(body):
        inputs = serving.texts(body, "input")
        if len(inputs) > options.max_batch_size:
            raise serving.Refused(f"at most {options.max_batch_size} texts together")
        tokens = tokenizer(inputs, return_tensors="pt", padding=True, truncation=True, max_length=options.max_model_len).to(options.device)
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = ((states * mask).sum(1) / mask.sum(1)).float().tolist()
        return {"object": "list", "model": options.served_model_name, "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(means)]}

    return {"/v1/embeddings": embed}


def image_classification(options):
    from PIL import Image, UnidentifiedImageError

    processor = AutoImageProcessor.from_pretrained(options.model)
    model = prepared(AutoModelForImageClassification, options)

    def classify(body):
        images = []
        for text in serving.texts(body, "image"):
            try:
                images.append(Image.open(io.BytesIO(base64.b64decode(text, validate=True))).convert("RGB"))
            except (binascii.Error, UnidentifiedImageError):
                raise serving.Refused("image must be a picture's file in base64, or a list of such") from None
        if len(images) > options.max_batch_size:
            raise serving.Refused(f"at most {options.max_batch_size} images together")
        tensors = processor(images=images, return_tensors="pt").to(options.device, getattr(torch, options.dtype))
        with torch.inference_mode():
            best = model(**tensors).logits.float().softmax(-1).max(-1)
        found = zip(best.indices.tolist(), best.values.tolist())
        return {"model": options.served_model_name, "data": [{"index": index, "label": model.config.id2label[label], "score": score} for index, (label, score) in enumerate(found)]}

    return {"/v1/classify": classify}


def load(options):
    return {"text-generation": text_generation, "text-encoder": text_encoder, "image-classification": image_classification}[options.task](options)


if __name__ == "__main__":
    serving.main(load)
