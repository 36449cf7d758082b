import os

if os.environ.get("STAND_IN_WITHOUT") == "torchao":
    raise ModuleNotFoundError("No module named 'torchao'")
