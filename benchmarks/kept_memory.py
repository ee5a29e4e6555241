"""What it is worth that a training keeps the memory of its steps (`limbeck.memory.kept`), where glibc would return it to the system between them.

    python benchmarks/kept_memory.py --json work/kept_memory.json

Steps (forward, backward, SGD) of four networks on one thread, each in processes of its own that take turns, three with and three without; needs no
data, five minutes. `*_step_ratio`: milliseconds of a step without over those with it, medians of 20 steps and the least of three processes; above 1 it is worth
it. `*_resident_ratio`: the most memory with it over that without, medians of three. Texts have another length in each step; clips and pictures one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
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
Made = tuple[nn.Module, str, Callable[[int], Tensor]]
"""A network, its input's name, and the input of a step."""


def audio_teacher() -> Made:
    """As in fsdd.py."""
    kind = find("teachers", "resnet_audio")
    teacher = kind(kind.Settings(width=56, filters="separable", **HEARD))
    teacher.add_head([f"{i}" for i in range(CLASSES)], 0)
    return teacher.module, "features", lambda _: torch.randn(64, 44, HEARD["mels"])


def picture_teacher() -> Made:
    """As in fashion_mnist.py."""
    kind = find("teachers", "wide_resnet")
    teacher = kind(kind.Settings(depth=16, width=3, stride=2, size=28, channels=1))
    teacher.add_head([f"{i}" for i in range(CLASSES)], 0)
    return teacher.module, "pixels", lambda _: torch.randn(128, 1, 28, 28)


def audio_student() -> Made:
    """As in fsdd.py."""
    kind = find("students", "conv_audio")
    student = kind(kind.Settings(width=56, depth=1, **HEARD), CLASSES, 44, HEARD["mels"])
    return student, "features", lambda _: torch.randn(64, 44, HEARD["mels"])


def encoder() -> Made:
    """Of all-MiniLM-L6-v2's shape, on 32 texts of 8 to 64 pieces."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=CLASSES
    )
    lengths = torch.randint(8, 65, (WARM + STEPS,)).tolist()
    return BertForSequenceClassification(config), "input_ids", lambda step: torch.randint(0, 30_000, (32, lengths[step]))


NETWORKS = {make.__name__: make for make in (audio_teacher, picture_teacher, audio_student, encoder)}


def measure(name: str, way: str) -> dict[str, float]:
    """Milliseconds of a step and megabytes at the most, in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, key, inputs = NETWORKS[name]()
    optimizer = torch.optim.SGD(model.train().parameters(), 1e-3)
    seconds = []
    with memory.kept() if way == "kept" else nullcontext():
        for step in range(WARM + STEPS):
            made = inputs(step)
            labels_B = torch.randint(0, CLASSES, (len(made),))
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            outputs = model(**{key: made})
            F.cross_entropy(outputs.logits if hasattr(outputs, "logits") else outputs.logits_BC, labels_B).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # getrusage has the parent's peak, where that is higher
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {"ms": 1000 * median(seconds[WARM:]), "mb": peak / 1024}


def run() -> dict[str, Any]:
    """The figures."""
    figures: dict[str, Any] = {}
    for name in NETWORKS:
        found: dict[str, list[dict[str, float]]] = {"usual": [], "kept": []}
        for _ in range(ROUNDS):
            for way, of in found.items():
                child = subprocess.run([sys.executable, __file__, name, way], capture_output=True, text=True, check=True)
                of.append(json.loads(child.stdout))
        ms = {way: min(one["ms"] for one in of) for way, of in found.items()}
        mb = {way: median(one["mb"] for one in of) for way, of in found.items()}
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
