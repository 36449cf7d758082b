"""ColossalAI's inference engine behind serving.py: colossalai.inference, for colossalai.nn has no TensorParallel."""

import colossalai
import torch
from colossalai.inference import InferenceConfig, InferenceEngine
from transformers import AutoTokenizer, GenerationConfig

import serving


def load(options):
    colossalai.launch_from_torch()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Its cache is made for the longest prompt and the longest answer: half of the context each.
    half = options.max_model_len // 2
    engine = InferenceEngine(
        options.model,
        tokenizer,
        InferenceConfig(dtype=getattr(torch, options.dtype), max_batch_size=options.max_batch_size, max_input_len=half, max_output_len=half, tp_size=options.tensor_parallel_size),
    )

    def generate(prompts, max_tokens, temperature):
        if max_tokens > half:
            raise serving.Refused(f"max_tokens must be at most {half}")
        if any(len(tokenizer(prompt)["input_ids"]) > half for prompt in prompts):
            raise serving.Refused(f"a prompt may have {half} tokens")
        sampling = {"do_sample": True, "temperature": float(temperature)} if temperature > 0 else {"do_sample": False}
        # Ranks sample alike only from the same seed.
        torch.manual_seed(max_tokens)
        return engine.generate(prompts=prompts, generation_config=GenerationConfig(max_new_tokens=max_tokens, pad_token_id=tokenizer.pad_token_id, **sampling))

    return serving.completions(options, generate)


if __name__ == "__main__":
    serving.main(load)
