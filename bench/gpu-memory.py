"""What models take of a real GPU: weights, cache of a token, activations and context, to hold against `rackwright size`.

Needs an NVIDIA GPU, PyTorch and transformers; no weights and no network, for the models have random weights.

    python3 bench/gpu-memory.py
"""

import json
import subprocess

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

MODELS = {
    "llama-3.1-8b": LlamaConfig(vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=131072),
    "qwen2.5-7b": Qwen2Config(vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, max_position_embeddings=131072),
    "qwen2.5-32b": Qwen2Config(vocab_size=152064, hidden_size=5120, intermediate_size=27648, num_hidden_layers=64, num_attention_heads=40, num_key_value_heads=8, max_position_embeddings=131072),
}
TOKENS = 8192


def used_mib():
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])


def measure(name, config):
    config.tie_word_embeddings = False
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
    weights = torch.cuda.memory_allocated() - before
    with torch.inference_mode():
        # What the libraries keep from their first use on is not the cache's.
        model(torch.zeros((1, 16), dtype=torch.long, device="cuda"), use_cache=False)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        loaded = torch.cuda.memory_allocated()
        # Batches of 2048 tokens: blocks of the cache are then whole allocations.
        output = model(torch.zeros((TOKENS // 2048, 2048), dtype=torch.long, device="cuda"), use_cache=True, logits_to_keep=1)
        peak = torch.cuda.max_memory_allocated() - loaded
        cache = output.past_key_values
        del output
        key_value = torch.cuda.memory_allocated() - loaded
        del cache
    outside = used_mib() * 2**20 - torch.cuda.memory_reserved()
    print(json.dumps({"model": name, "weightsBytes": weights, "keyValueBytesPerToken": key_value / TOKENS, "activationBytes": peak - key_value, "outsideOfPyTorchBytes": outside}), flush=True)


if __name__ == "__main__":
    torch.set_default_dtype(torch.bfloat16)
    properties = torch.cuda.get_device_properties(0)
    print(json.dumps({"gpu": properties.name, "usableBytes": properties.total_memory, "torch": torch.__version__}), flush=True)
    for each in MODELS.items():
        measure(*each)
