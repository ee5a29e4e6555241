"""Any torch module as a teacher. Knows modules, their outputs and hooks; knows nothing of how they were trained.

From Python a module comes with `encode`, which makes its inputs of texts. From a recipe `model` names a callable that makes the module, `weights` its
safetensors file, and `tokenizer` a tokenizer.json; or `encode` a callable that makes the module's inputs, of texts or of anything else.

Letters: B texts, C classes.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from limbeck.callables import imported
from limbeck.errors import TeacherError, listing
from limbeck.payloads import plain, size
from limbeck.settings import Count
from limbeck.teachers._content import content_of
from limbeck.teachers._labels import Labels, labels_of
from limbeck.teachers._rescaled import Rescaled
from limbeck.teachers._said import Says, of_scores
from limbeck.teachers._tokens import Tokens, named
from limbeck.teachers._tried import taken, tried
from limbeck.types import Fingerprint, Json, Signal, digest

_BATCH = 64
_TRIED = ("hello", "WHERE IS IT?!", "thank you very much")


class TorchModule:
    """A module that gives logits.

    Args:
        module: in any mode; it is left in that mode.
        encode: texts to the module's inputs, by name, or one tensor.
        labels: class names in the order of the logits.
        output: the name of the logits in what the module returns (a dict's key or an attribute); None: it returns them.
        hook: the path of a submodule whose output is the logits, such as "encoder.head", in place of what the module returns.
        device: where it computes.
        name: in reports.
        tokens: the tokenizer behind `encode`, which students may have too.
        reads: the modality of what it is asked.

    Raises:
        TeacherError: its output is not one tensor of logits, and nothing says which part is.
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: package.module:callable that returns the module. `weights`: a safetensors file. `tokenizer`: a tokenizer.json.
        `labels`, `output`, `hook`: as above. `max_tokens`: longest input. `reads`: the modality of what it is asked; `encode`: package.module:callable from
        a list of texts (of pictures as arrays of uint8) to its inputs, in place of a tokenizer."""

        model: str = ""
        weights: str | None = None
        tokenizer: str = "tokenizer.json"
        labels: Labels = ()
        output: str | None = None
        hook: str | None = None
        max_tokens: Count = 128
        reads: str = "text"
        encode: str = ""

    tolerance: ClassVar[float] = 1e-4
    has_head: ClassVar[bool] = True
    says: ClassVar[Says] = "probabilities"
    form: ClassVar[str] = "torch float32"

    def __init__(
        self,
        module: nn.Module,
        encode: Callable[[list[Any]], Any],
        labels: Sequence[str],
        output: str | None = None,
        hook: str | None = None,
        device: str = "cpu",
        name: str = "",
        tokens: Tokens | None = None,
        reads: str = "text",
    ) -> None:
        self.network = module.to(device)
        self._encode = encode if reads == "text" else Rescaled(encode)
        self._output, self._hook, self._device = output, hook, device
        self.labels = labels_of(labels, None, "torch_module")
        self._own, self._tokens = self.labels, tokens
        self.max_tokens = tokens.max_tokens if tokens else 128
        self.name = name or type(module).__name__
        self.parameters = sum(p.numel() for p in module.parameters())
        if hook is not None and hook not in (paths := dict(module.named_modules())):
            raise TeacherError(f"teacher.hook is '{hook}', but {self.name} has the modules {listing([p for p in paths if p])}")
        self._tried = tried(reads, _TRIED)
        if reads != "text":
            self._tried = taken(self._logits, self._tried)
        if self._tried:
            of_scores(self._logits(self._tried).float().cpu().numpy(), len(self._own), f"teacher {self.name}")

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> TorchModule:
        """Make the module, and load its weights, which must be all of its own.

        Raises:
            TeacherError: the callable, the weights or the tokenizer are not there or do not fit.
        """
        made = imported(settings.model, "the teacher", TeacherError)
        try:
            module = made()
            if not isinstance(module, nn.Module):
                raise TypeError(f"it returned {type(module).__name__}, and no torch module")
            if settings.weights is not None:
                module.load_state_dict(load_file(settings.weights))
        except Exception as error:  # anybody's code, and anybody's file
            said = " ".join(f"{error}".split())
            raise TeacherError(f"cannot load the teacher '{settings.model}': {type(error).__name__}: {said:.500}") from error
        if settings.encode or settings.reads != "text":
            own = imported(settings.encode or "", "what the teacher reads (teacher.encode)", TeacherError)
            given = (settings.labels, settings.output, settings.hook, device, settings.model, None, settings.reads)
            return cls(module, own, *given)
        tokens = Tokens(Path(settings.tokenizer), settings.max_tokens)
        wanted = [p.name for p in inspect.signature(module.forward).parameters.values() if p.default is p.empty]

        def encode(texts: list[str]) -> dict[str, Any]:
            return named(tokens(texts), [n for n in wanted if n not in ("args", "kwargs")], settings.model)

        return cls(module, encode, settings.labels, settings.output, settings.hook, device, settings.model, tokens)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> TorchModule:
        """A linear layer over counts of letters, whose logits lie in a dict."""
        del folder
        generator = torch.Generator().manual_seed(seed)

        class Counted(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.dropout, self.head = nn.Dropout(0.5), nn.Linear(26, 3)
                with torch.no_grad():
                    for parameter in self.parameters():
                        parameter.normal_(generator=generator)

            def forward(self, counts: Tensor) -> dict[str, Tensor]:
                return {"scores": self.head(self.dropout(counts)), "counts": counts}

        def encode(texts: list[str]) -> dict[str, Any]:
            return {"counts": np.array([[t.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts], np.float32)}

        return cls(Counted().train(), encode, ["greeting", "question", "thanks"], output="scores")

    def gives(self) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits_BC"})

    def fingerprint(self) -> Fingerprint:
        """Weights, what `encode` makes of a few texts, its tokenizer, labels, and where the logits lie."""
        weights = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            weights.update(name.encode())
            weights.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        if self._tried:
            read = content_of({k: np.asarray(v) for k, v in self._inputs(self._tried).items()}).sha256
        else:
            read = self._encode.source if isinstance(self._encode, Rescaled) else ""
        return {
            "kind": "torch_module",
            "weights": weights.hexdigest(),
            "preprocessing": digest([read, self._tokens.fingerprint() if self._tokens else ""]),
            "labels": digest(self._own),
            "output": f"{self._output} {self._hook}",
        }

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Logits, in batches of like length, longest first."""
        order = sorted(range(len(payloads)), key=lambda i: (-size(payloads[i]), i))
        parts = [
            self._logits([payloads[i] for i in order[s : s + _BATCH]]).float().cpu().numpy()
            for s in range(0, len(order), _BATCH)
        ]
        found = of_scores(np.concatenate(parts)[np.argsort(np.asarray(order))], len(self._own), f"teacher {self.name}")
        return found.signal(needs & self.gives())

    def otherwise(self, payloads: Sequence[Any]) -> dict[str, Callable[[], Signal]]:
        """What it would answer to pictures if its inputs were scaled in other ways, by their names."""
        if not isinstance(self._encode, Rescaled):
            return {}
        return self._encode.otherwise(payloads, lambda: self.answer(payloads, frozenset({"logits_BC"})))

    def tokenizer_json(self) -> Json | None:
        """The tokenizer that it was loaded with; None where Python's `encode` is all that is known."""
        return self._tokens.content if self._tokens else None

    def token_embeddings(self) -> None:
        """None: which of its weights they are, nobody says."""
        return

    def start(self, old_ids_V: Any) -> None:
        """None: a student starts from chance."""
        del old_ids_V

    def _inputs(self, payloads: list[Any]) -> dict[str, Any]:
        found = self._encode(list(map(plain, payloads)))
        return dict(found) if isinstance(found, Mapping) else {"": found}

    def _logits(self, payloads: list[Any]) -> Tensor:
        """Computed inside `inference_mode` and without dropout; both are as before when it returns."""
        caught: list[Any] = []
        handle = None
        if self._hook is not None:
            handle = self.network.get_submodule(self._hook).register_forward_hook(lambda _, __, out: caught.append(out))
        modes = [(m, m.training) for m in self.network.modules()]
        try:
            self.network.eval()
            with torch.inference_mode():
                inputs = {k: torch.as_tensor(v).to(self._device) for k, v in self._inputs(payloads).items()}
                out = self.network(inputs[""]) if "" in inputs else self.network(**inputs)
        except Exception as error:  # it is anybody's code
            said = " ".join(f"{error}".split())
            raise TeacherError(
                f"teacher {self.name} failed on {len(payloads)} payloads: {type(error).__name__}: {said:.300}"
            ) from error
        finally:
            for module, training in modes:
                module.training = training
            if handle is not None:
                handle.remove()
        return self._chosen(caught[-1] if caught else out, len(payloads))

    def _chosen(self, out: Any, count: int) -> Tensor:
        """The logits in what the module returned, or the hook caught."""
        there = list(out) if isinstance(out, Mapping) else [n for n in ("logits", "scores") if hasattr(out, n)]
        if self._output is not None:
            found = out.get(self._output) if isinstance(out, Mapping) else getattr(out, self._output, None)
        else:
            found = out if isinstance(out, Tensor) else None
        if not isinstance(found, Tensor):
            what = f"a {type(out).__name__}" + (f" with {listing(list(map(str, there)))}" if there else "")
            wanted = f"no tensor '{self._output}'" if self._output else "not one tensor"
            raise TeacherError(
                f"teacher {self.name} returns {what}, and {wanted}. Name the logits in it (teacher.output), or the submodule that gives them "
                "(teacher.hook)."
            )
        if found.ndim != 2 or tuple(found.shape) != (count, len(self._own)):
            raise TeacherError(
                f"teacher {self.name}: expected logits of the shape (texts, {len(self._own)}), for the {len(self._own)} labels; "
                f"got {tuple(found.shape)} for {count} texts. Name other labels (teacher.labels) or another output (teacher.output)."
            )
        return found
