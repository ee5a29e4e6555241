"""The nouns of limbeck as plain data and small protocols. Knows their shape; knows nothing of how any of them is made.

Letters in names: B examples of a batch, T positions of a sequence, D width of a representation, C classes, N rows.
Nothing here imports torch: a `Signal` or an `Outputs` carries arrays of whichever library made them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from limbeck.graph import Graph
    from limbeck.label_sets import Label, LabelSet

Json = dict[str, Any]


def digest(value: object) -> str:
    """The sha256 (hex) of a value's canonical JSON: the identity of recipes, fingerprints and keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """One example: a stable key, a payload, perhaps a label. `where` it was read ("logs.jsonl, line 3") is for whoever has to mend it.

    The key is made from the payload alone, so copies of one text share a key and can never be split between train and test.
    """

    key: str
    payload: Any
    label: Label | None = None
    split: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """One step that made a view, with its version and parameters, so the view can be made again."""

    name: str
    version: int
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """What teacher and student see: the records it draws from, how it was made, and the realised payload.

    `label` is the records' label where the operations preserve it, else None (a splice of two intents has none).
    """

    keys: tuple[str, ...]
    operations: tuple[Operation, ...]
    seed: int
    payload: Any
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What the teacher said about a batch of views; a field it was not asked for is None.

    logits_BC: class logits. known_BC: 0 where only the sum over all such classes is known, else 1. disagreement_B: of an ensemble, nats.
    embedding_BD: one pooled representation per example. hidden_BWD: the last hidden state as a mean over each word's tokens, mask_BW: 1 where there is one.
    """

    logits_BC: Any = None
    known_BC: Any = None
    disagreement_B: Any = None
    embedding_BD: Any = None
    hidden_BWD: Any = None
    mask_BW: Any = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all fields that a signal can have."""
        return tuple(f.name for f in fields(cls))

    def given(self) -> dict[str, Any]:
        """The fields that are there."""
        return {name: value for name in self.names() if (value := getattr(self, name)) is not None}

    def map(self, function: Callable[[Any], Any]) -> Signal:
        """The same fields with `function` applied to each array."""
        return Signal(**{name: function(value) for name, value in self.given().items()})


Fingerprint = Mapping[str, str]
"""Everything that decides a teacher's answers (weights, preprocessing, settings), by name."""


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """A transformer encoder of BERT's kind (LayerNorm behind each block), in neutral names; float32.

    S is its width, P its number of positions, F the width of its feed-forward blocks.
    positions_PS: what is added for each place in the text, from the first token on. segment_S: what is added to every token
    (the first token type, or zeros). norm: weight and bias (S,) of the LayerNorm behind the embeddings. layers: first to last, each
    with `query`, `key`, `value`, `mixed` (out, S), `up` (F, S), `down` (S, F) as "NAME.weight" and "NAME.bias", and
    `attention_norm`, `output_norm` as "NAME.weight" and "NAME.bias" (S,). epsilon: of every LayerNorm.
    """

    positions_PS: NDArray[np.float32]
    segment_S: NDArray[np.float32]
    norm: tuple[NDArray[np.float32], NDArray[np.float32]]
    layers: tuple[Mapping[str, NDArray[np.float32]], ...]
    heads: int
    activation: Literal["gelu", "relu"]
    epsilon: float


@dataclass(frozen=True, slots=True)
class Start:
    """What a student may start from: a teacher's weights for the student's own pieces.

    tokens_VS: the teacher's embedding of each of the student's pieces, (V, S). encoder: the transformer around them; None where
    the teacher is not of a kind that can be taken apart. head: weight (C, S) and bias (C,) of its classifier on the mean-pooled
    last hidden state, where it has one of that kind.
    """

    tokens_VS: NDArray[np.float32]
    encoder: EncoderWeights | None = None
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


@dataclass(frozen=True, slots=True)
class Shapes:
    """The widths that an objective may need to know before training starts."""

    classes: int
    width: int


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long and how fast a model is trained: the learning rate rises over `warmup_share` of the steps, then falls linearly to 0.
    ema: decay per step of a moving average of the weights that takes their place in the end; 0 is none. optimizer: "adamw", "sgd" or "muon"."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup_share: float = 0.05
    ema: float = 0.0
    optimizer: str = "adamw"

    def rate(self, step: int, steps: int) -> float:
        """The share of the learning rate at a step, in (0, 1]."""
        warmup = max(1, round(self.warmup_share * steps))
        return min((step + 1) / warmup, max(1, steps - step) / max(1, steps - warmup + 1), 1.0)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a student (or a teacher's module) computes for a batch: logits_BC, and perhaps embedding_BD and hidden_BTD (by token)."""

    logits_BC: Tensor
    embedding_BD: Tensor | None = None
    hidden_BTD: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Model inputs by name, the class index of each example (-1: no label), and what the teacher said of them.

    labels_B: of several labels (B, C), 1 where one applies, 0 where not, -1 throughout where there is no label.
    words_BT: for each of the student's tokens, the number of its word in the text (-1: none), where an objective needs it.
    """

    inputs: Mapping[str, Tensor]
    labels_B: Tensor
    signal: Signal
    words_BT: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """total = sum(weight * element), the thing to differentiate; per_element (B,) is detached, for logs and tests."""

    total: Tensor
    per_element: Tensor


@runtime_checkable
class Objective(Protocol):
    """What a student is trained towards: a frozen dataclass with the attributes below."""

    @property
    def needs(self) -> frozenset[str]:
        """Fields of `Signal` that it reads; checked before step 0; decides what the teacher must produce."""
        ...

    @property
    def couples(self) -> Literal["element", "batch"]:
        """Whether an element's loss depends on itself alone, or on the whole batch, which forbids micro-batches."""
        ...

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """What is trained beside the student (projections and the like); dropped from the bundle."""
        ...

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """The loss of a batch. `weight` (B,) already holds 1 / (the step's denominator)."""
        ...


@runtime_checkable
class Modality(Protocol):
    """Raw payloads to arrays, torch-free, the same code when training and when serving; `limbeck.modalities` says what else it has."""

    def encode(self, payloads: Sequence[Any]) -> list[NDArray[Any]]:
        """One array per payload, already truncated; the same payload always gives the same array."""
        ...

    def collate(self, encoded: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The padded arrays of a batch, by the names of the student's inputs."""
        ...

    def spec(self) -> Json:
        """All that `from_spec` needs to encode identically, as JSON."""
        ...


@runtime_checkable
class Teacher(Protocol):
    """Turns payloads into signals. Also has `labels`, the class names in the order of its logits."""

    labels: tuple[str, ...]

    def gives(self) -> frozenset[str]:
        """The fields of `Signal` that it can produce."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Everything that decides its answers, by name."""
        ...

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """The signals of `payloads`, in order, as float32 numpy arrays. The teacher plans its own batches: the
        plan is a function of the payloads alone, so the same call gives the same numbers."""
        ...


@runtime_checkable
class Student(Protocol):
    """A small network of a family: an `nn.Module` whose forward returns `Outputs`.

    Made as `Family(settings, classes=int, seed=int, **arguments)`, the arguments being what its modality fitted to the training payloads (of a text
    `pieces`, `start`, `used_V`). `modality` names what it reads; `plan` says how it is best trained; `ladder()` gives the settings that a search tries,
    from small to large; `settings.reading` is what of a payload its input holds, such as n-grams behind the pieces of a text.
    """

    plan: TrainingPlan

    def shapes(self) -> Shapes:
        """Classes, and the width of its representation."""
        ...

    def graph(self) -> Graph:
        """The trained network as a graph of standard operators; what `settings.network` wants in int8 is still float32."""
        ...

    def describe(self) -> Json:
        """Family, sizes, number of parameters, and where its weights came from."""
        ...


Runner = Callable[[Mapping[str, "NDArray[Any]"]], "NDArray[np.float32]"]
"""A loaded artifact: named input arrays to logits (B, C)."""


@runtime_checkable
class Target(Protocol):
    """A deployable format. Also has `filename` (in the bundle) and `tolerance` (largest absolute error of a logit)."""

    filename: str
    tolerance: float

    def write(self, graph: Graph, path: Path) -> None:
        """Write the graph to a file. May need the train extra."""
        ...

    def load(self, file: Path | bytes, threads: int = 1) -> Runner:
        """Load a written file, by its path or from its bytes; never needs torch."""
        ...


@runtime_checkable
class Task(Protocol):
    """What an answer is, which metrics judge it, which objectives are its default, with their weights."""

    modality: str
    metrics: tuple[str, ...]
    objectives: Mapping[str, float]

    def answers(
        self, logits_BC: NDArray[Any], labels: Sequence[str], temperature: float = 1.0, threshold: Any = 0.0
    ) -> list[Prediction] | list[LabelSet]:
        """Raw outputs as what the caller asked for: logits are divided by `temperature`; below `threshold` it abstains. A task of `several` labels
        has a threshold for each, from which on it applies."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer of a classifier: the label, the probability that it is right, and whether that is too low to act upon."""

    label: str
    probability: float
    abstain: bool = False


Progress = Callable[[str, int, int, str], None]
"""Called as progress(stage, done, total, note); done == total ends a stage."""


def silent(stage: str, done: int, total: int, note: str) -> None:
    """The progress of a caller who does not want to watch."""
