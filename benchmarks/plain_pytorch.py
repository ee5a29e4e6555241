"""Distillation as it is usually written: the other side of benchmarks/training_speed.py. Nothing of limbeck is used here.

fp32, batch 32, every text padded to 128 tokens, the teacher run at every step, a student of the teacher's first, middle and last layer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

BATCH, LENGTH, TEMPERATURE = 32, 128, 2.0


class Classifier(nn.Module):
    """A BERT encoder, mean pooling and a linear head."""

    def __init__(self, encoder: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> torch.Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return self.head((hidden * mask).sum(1) / mask.sum(1))


def smaller(teacher: Classifier, layers: Sequence[int]) -> Classifier:
    """A copy of the teacher with these of its layers."""
    student = copy.deepcopy(teacher)
    stack = student.encoder.encoder
    stack.layer = nn.ModuleList([stack.layer[i] for i in layers])
    return student


def train(
    teacher: Classifier, student: Classifier, tokenizer: Any, texts: Sequence[str], labels: Sequence[int]
) -> Iterator[int]:
    """Train for ever; yields the number of examples after every step."""

    def collate(rows: list[tuple[str, int]]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        batch = tokenizer([t for t, _ in rows], padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        return dict(batch), torch.tensor([label for _, label in rows])

    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-5)
    teacher.eval()
    student.train()
    while True:
        for batch, target in DataLoader(list(zip(texts, labels, strict=True)), BATCH, shuffle=True, collate_fn=collate):
            with torch.no_grad():
                wanted = teacher(**batch)
            found = student(**batch)
            soft = F.kl_div(
                F.log_softmax(found / TEMPERATURE, -1),
                F.log_softmax(wanted / TEMPERATURE, -1),
                log_target=True,
                reduction="batchmean",
            )
            loss = TEMPERATURE**2 * soft + 0.1 * F.cross_entropy(found, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(target)
