"""An ONNX file as a teacher, text in, or a bundle of limbeck's. Knows ONNX Runtime and the tokenizer beside the file; knows no training.

The file's input is a tensor of strings, or ids and a mask by their usual names; then tokenizer.json lies beside it. For everything else
`encode` names a callable that makes its inputs. A teacher's file is its
owner's and may hold any operator, unlike a bundle's.

Letters: B texts, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.bundle import Bundle
from limbeck.callables import imported
from limbeck.errors import LimbeckError, TeacherError, listing
from limbeck.manifest import SPEC
from limbeck.payloads import plain, size
from limbeck.settings import Count
from limbeck.teachers._labels import Labels, beside, labels_of
from limbeck.teachers._rescaled import Rescaled
from limbeck.teachers._said import Says, of_probabilities, of_scores
from limbeck.teachers._tokens import Tokens, named
from limbeck.teachers._tried import taken, tried
from limbeck.types import Fingerprint, Json, Signal, digest

_BATCH = 64
_TRIED = ("hello", "where is it?", "thank you very much")


class Onnx:
    """A network from a file.

    Args:
        run: texts to the numbers of one output, (B, C).
        labels: class names in the order of the columns.
        fingerprint: all that decides what `run` says.
        name: in reports.
        tokens: what lends students its tokenizer: its content and the longest input; None: nothing.
        bundle: where it is one.
        size: numbers in the file, and its bytes.
        reads: the modality of what it is asked.
        encode: what makes the inputs that `run` gives the network, where it can scale otherwise.
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: an .onnx file, or a bundle (folder or zip). `tokenizer`: None: tokenizer.json beside it. `output`: which one, where
        there are several. `labels`: None of them: labels.json, or id2label of config.json, beside it. `max_tokens`: longest input. `reads`: the
        modality of what it is asked; `encode`: package.module:callable from a list of texts (of pictures as arrays of uint8) to its inputs by name."""

        model: str = ""
        tokenizer: str | None = None
        output: str | None = None
        labels: Labels = ()
        max_tokens: Count = 128
        reads: str = "text"
        encode: str = ""

    tolerance: ClassVar[float] = 1e-4
    has_head: ClassVar[bool] = True
    says: ClassVar[Says] = "probabilities"
    form: ClassVar[str] = "onnx"

    def __init__(
        self,
        run: Callable[[list[Any]], NDArray[Any]],
        labels: Sequence[str],
        fingerprint: Fingerprint,
        name: str,
        tokens: tuple[Json, int] | None = None,
        bundle: Bundle | None = None,
        size: tuple[int, int] = (0, 0),
        reads: str = "text",
        encode: Rescaled | None = None,
    ) -> None:
        self._encode = encode
        self._run, self._fingerprint, self.name = run, dict(fingerprint), name
        self.labels, self._classes = tuple(labels), len(labels)
        self._tokens, self.bundle = tokens, bundle
        self.max_tokens = tokens[1] if tokens else 128
        self.parameters, self.bytes = size
        self._of: Callable[[NDArray[Any], int, str], Any] | None = None
        some = tried(reads, _TRIED)
        if reads != "text":
            some = taken(self._asked, some)
        if some:
            self._answered(some)

    def _asked(self, payloads: list[Any]) -> NDArray[Any]:
        try:
            return np.asarray(self._run(payloads))
        except Exception as error:  # ONNX Runtime raises many kinds, and so does anybody's code
            first = f"{error}".strip().splitlines() or [""]
            raise TeacherError(
                f"teacher {self.name} failed on {len(payloads)} payloads: {type(error).__name__}: {first[0]:.300}"
            ) from error

    def _answered(self, payloads: list[Any]) -> NDArray[Any]:
        """Logits; what its output holds is known from the first."""
        found = self._asked(payloads)
        if self._of is None:
            if found.ndim != 2 or found.shape[1] != self._classes:
                raise TeacherError(
                    f"teacher {self.name}: the output is {found.shape}, but there are {self._classes} labels; expected "
                    f"(payloads, {self._classes}). Name another output (teacher.output), or all labels (teacher.labels)."
                )
            sums = (found >= 0).all() and np.abs(found.sum(axis=1) - 1.0).max() < 1e-3
            self._of = of_probabilities if sums else of_scores
        logits_BC: NDArray[Any] = self._of(found, self._classes, f"teacher {self.name}").logits_BC
        return logits_BC

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Onnx:
        """Open a file or a bundle.

        Raises:
            TeacherError: it cannot be opened, has several outputs or unknown inputs, or no labels.
        """
        del device
        path = Path(settings.model)
        try:
            if path.suffix == ".onnx":
                return cls._of_file(path, settings)
            return cls._of_bundle(Bundle.open(path), settings)
        except TeacherError:
            raise
        except Exception as error:  # ONNX Runtime raises many kinds
            first = f"{error}".strip().splitlines() or [""]
            raise TeacherError(
                f"cannot load the teacher '{settings.model:.200}': {type(error).__name__}: {first[0]:.300}. "
                "A teacher of kind onnx is an .onnx file or a bundle of limbeck's."
            ) from error

    @classmethod
    def _of_bundle(cls, bundle: Bundle, settings: Settings) -> Onnx:
        manifest = bundle.manifest
        spec = bundle.json(SPEC)
        modality = catalog.find("modalities", manifest.modality).from_spec(spec)
        answer = catalog.find("targets", manifest.target)().load(bundle.content[manifest.model])

        def run(payloads: list[Any]) -> NDArray[Any]:
            found: NDArray[Any] = answer(modality.collate(modality.encode(payloads)))
            return found

        labels = labels_of(settings.labels, manifest.labels, "onnx")
        fingerprint = {"kind": "onnx", "weights": bundle.sha256, "labels": digest(labels)}
        lent = (modality.tokenizer, modality.max_tokens) if modality.vocabulary else None
        size = bundle.bytes
        return cls(run, labels, fingerprint, bundle.path.name, lent, bundle, (size // 4, size), manifest.modality)

    @classmethod
    def _of_file(cls, path: Path, settings: Settings) -> Onnx:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        outputs, inputs = [o.name for o in session.get_outputs()], session.get_inputs()
        if (settings.output is None and len(outputs) > 1) or settings.output not in (None, *outputs):
            raise TeacherError(
                f"{path} has the outputs {listing(outputs)}. Name the one that holds the classes: teacher.output"
            )
        output = settings.output or outputs[0]
        names = [i.name for i in inputs]
        strings = [i.name for i in inputs if i.type == "tensor(string)"]
        own = None
        if settings.encode or settings.reads != "text":
            own = Rescaled(imported(settings.encode or "", "what the teacher reads (teacher.encode)", TeacherError))
        tokens = (
            None
            if strings or own
            else Tokens(Path(settings.tokenizer or path.with_name("tokenizer.json")), settings.max_tokens)
        )
        kinds = {
            i.name: {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}.get(i.type, np.int64)
            for i in inputs
        }
        flat = [len(i.shape) == 1 for i in inputs]

        def run(texts: list[Any]) -> NDArray[Any]:
            if own is not None:
                made = own(list(map(plain, texts)))
                feed = {n: np.asarray(made[n] if isinstance(made, Mapping) else made).astype(kinds[n]) for n in names}
            elif tokens is None:
                array = np.array(texts, dtype=object)
                feed = {strings[0]: array if flat[0] else array[:, None]}
            else:
                feed = {k: v.astype(kinds[k]) for k, v in named(tokens(texts), names, str(path)).items()}
            found: NDArray[Any] = np.asarray(session.run([output], feed)[0])
            return found

        labels = labels_of(settings.labels, beside(path.parent), "onnx") if not settings.labels else settings.labels
        weights = hashlib.sha256(path.read_bytes())
        for part in sorted(path.parent.glob(f"{path.name}*data")):  # weights that did not fit into the file
            weights.update(part.read_bytes())
        fingerprint = {
            "kind": "onnx",
            "weights": weights.hexdigest(),
            "tokenizer": tokens.fingerprint() if tokens else "",
            "labels": digest(labels),
            "output": output,
            **({"encode": settings.encode} if own is not None else {}),
        }
        lent = (tokens.content, tokens.max_tokens) if tokens else None
        of = labels_of(labels, None, "onnx")
        return cls(run, of, fingerprint, path.name, lent, None, _size(path), settings.reads, own)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Onnx:
        """A network over the lengths of two words' ids, with its tokenizer: written as students are."""
        import json

        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        vocabulary = {"[PAD]": 0, "[UNK]": 1, **{c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz?", 2)}}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=""))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "labels.json").write_text(json.dumps(["greeting", "question", "thanks"]), encoding="utf-8")
        family, target = catalog.find("students", "bag"), catalog.find("targets", "onnx")()
        network = family(family.Settings(width=8, hidden=8, ngrams=1), pieces=len(vocabulary), classes=3, seed=seed).eval()
        target.write(network.graph(), folder / "teacher.onnx")
        return cls.load(cls.Settings(str(folder / "teacher.onnx")))

    def gives(self) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits_BC"})

    def fingerprint(self) -> Fingerprint:
        """The file, its tokenizer, labels and output; of a bundle its manifest."""
        return self._fingerprint

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Logits, or the logarithm of probabilities where the output holds these; in batches of equal length, longest first."""
        order = sorted(range(len(payloads)), key=lambda i: (-size(payloads[i]), i))
        parts = [self._answered([payloads[i] for i in order[s : s + _BATCH]]) for s in range(0, len(order), _BATCH)]
        logits_BC = np.concatenate(parts)[np.argsort(np.asarray(order))]
        return Signal(logits_BC=logits_BC) if "logits_BC" in needs else Signal()

    def otherwise(self, payloads: Sequence[Any]) -> dict[str, Callable[[], Signal]]:
        """What it would answer to pictures if its inputs were scaled in other ways, by their names."""
        if self._encode is None:
            return {}
        return self._encode.otherwise(payloads, lambda: self.answer(payloads, frozenset({"logits_BC"})))

    def tokenizer_json(self) -> Json | None:
        """What it reads texts with; None where its file does that itself."""
        return self._tokens[0] if self._tokens else None

    def token_embeddings(self) -> None:
        """None: they are somewhere in the file, and nobody says where."""
        return

    def start(self, old_ids_V: Any) -> None:
        """None: a student starts from chance."""
        del old_ids_V


def _size(path: Path) -> tuple[int, int]:
    """How many numbers the file's weights are, and its bytes."""
    try:
        import onnx

        model = onnx.load(path, load_external_data=False)
    except (ImportError, ValueError, LimbeckError):
        return 0, path.stat().st_size
    return sum(int(np.prod(list(t.dims))) for t in model.graph.initializer), path.stat().st_size
