"""DeepSpeed's inference engine behind serving.py. Text generation, tensor parallelism over the server's GPUs."""

import os

import deepspeed
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import serving


def load(options):
    dtype = getattr(torch, options.dtype)
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
    engine = deepspeed.init_inference(
        model,
        config={
            "dtype": dtype,
            "tensor_parallel": {"tp_size": options.tensor_parallel_size},
            # Kernel injection knows a fixed list of models; without it, layers are split by their own plan.
            "replace_with_kernel_inject": False,
            "max_out_tokens": options.max_model_len,
        },
    )
    model = engine.module

    def generate(prompts, max_tokens, temperature):
        tokens = tokenizer(prompts, return_tensors="pt", padding=True).to("cuda")
        length = tokens["input_ids"].shape[1]
        if length + max_tokens > options.max_model_len:
            raise serving.Refused(f"{length} tokens of prompt and {max_tokens} more are above {options.max_model_len}")
        sampling = {"do_sample": True, "temperature": float(temperature)} if temperature > 0 else {"do_sample": False}
        # Ranks sample alike only from the same seed.
        torch.manual_seed(length)
        with torch.inference_mode():
            output = model.generate(**tokens, max_new_tokens=max_tokens, **sampling)
        return tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)

    return serving.completions(options, generate)


if __name__ == "__main__":
    serving.main(load)
