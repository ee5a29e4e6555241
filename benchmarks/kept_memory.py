"""What it is worth that a run keeps the memory of its steps (`limbeck.memory.kept`), where glibc would return it to the system between them.

    python benchmarks/kept_memory.py --json work/kept_memory.json

Steps (forward, backward, SGD) of five networks on one thread, each in processes of its own that take turns, three with and three without; needs no
data, five minutes. `*_step_ratio`: milliseconds of a step without over those with it, medians of 20 steps and the least of three processes; above 1 it is worth
it. `*_resident_ratio`: the most memory with it over that without.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import arguments, write
from limbeck import find, memory

ROUNDS, WARM, STEPS = 3, 3, 20
HEARD = {"rate": 8000, "seconds": 0.7, "mels": 32}
CLASSES = 10


def audio_teacher() -> tuple[nn.Module, dict[str, Tensor]]:
    """As in fsdd.py."""
    kind = find("teachers", "resnet_audio")
    teacher = kind(kind.Settings(width=56, filters="separable", **HEARD))
    teacher.add_head([f"{i}" for i in range(CLASSES)], 0)
    return teacher.module, {"features": torch.randn(64, 44, HEARD["mels"])}


def picture_teacher() -> tuple[nn.Module, dict[str, Tensor]]:
    """As in fashion_mnist.py."""
    kind = find("teachers", "wide_resnet")
    teacher = kind(kind.Settings(depth=16, width=3, stride=2, size=28, channels=1))
    teacher.add_head([f"{i}" for i in range(CLASSES)], 0)
    return teacher.module, {"pixels": torch.randn(128, 1, 28, 28)}


def audio_student() -> tuple[nn.Module, dict[str, Tensor]]:
    """As in fsdd.py."""
    kind = find("students", "conv_audio")
    return kind(kind.Settings(width=56, depth=1, **HEARD), CLASSES, 44, HEARD["mels"]), {
        "features": torch.randn(64, 44, HEARD["mels"])
    }


def encoder() -> tuple[nn.Module, dict[str, Tensor]]:
    """Of all-MiniLM-L6-v2's shape, on 32 texts of 32 pieces, and of 256."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=CLASSES
    )
    return BertForSequenceClassification(config), {"input_ids": torch.randint(0, 30_000, (32, 32))}


def long_texts() -> tuple[nn.Module, dict[str, Tensor]]:
    """The same on eight texts of 256 pieces."""
    return encoder()[0], {"input_ids": torch.randint(0, 30_000, (8, 256))}


NETWORKS = {make.__name__: make for make in (audio_teacher, picture_teacher, audio_student, encoder, long_texts)}


def measure(name: str, way: str) -> dict[str, Any]:
    """Milliseconds of a step and megabytes at the most, in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with memory.kept() if way == "kept" else nullcontext():
        model, inputs = NETWORKS[name]()
        optimizer = torch.optim.SGD(model.train().parameters(), 1e-3)
        labels_B = torch.randint(0, CLASSES, (len(next(iter(inputs.values()))),))
        seconds = []
        for _ in range(WARM + STEPS):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            outputs = model(**inputs)
            F.cross_entropy(outputs.logits if hasattr(outputs, "logits") else outputs.logits_BC, labels_B).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
    return {
        "ms": 1000 * median(seconds[WARM:]),
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run() -> dict[str, Any]:
    """The figures."""
    figures: dict[str, Any] = {}
    for name in NETWORKS:
        found: dict[str, list[dict[str, float]]] = {"usual": [], "kept": []}
        for _ in range(ROUNDS):
            for way, of in found.items():
                child = subprocess.run([sys.executable, __file__, name, way], capture_output=True, text=True, check=True)
                of.append(json.loads(child.stdout))
        ms, mb = ({way: min(one[key] for one in of) for way, of in found.items()} for key in ("ms", "mb"))
        figures |= {
            f"{name}_step_ratio": ms["usual"] / ms["kept"],
            f"{name}_step_ms": ms["kept"],
            f"{name}_resident_ratio": mb["kept"] / mb["usual"],
        }
    return figures


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in NETWORKS:
        print(json.dumps(measure(*sys.argv[1:3])))
    else:
        args = arguments(__doc__ or "", ("all",))
        write(args, run(), {})
