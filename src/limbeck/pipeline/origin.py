"""What a student reads and starts from: its teacher's tokenizer and weights, another encoder's, or pieces learned from the texts.

Knows tokenizers and recipes; knows nothing of what a teacher says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from limbeck import catalog
from limbeck.errors import RecipeError
from limbeck.run import Run
from limbeck.text import readable
from limbeck.types import Json


class LearnedPieces:
    """Byte pair encoding of letters, learned from the texts; no embedding goes with it, so a student starts from chance.

    Of what the tokenizers library trains only this gives the same pieces twice: WordPiece and Unigram break ties by the order of a hash map.

    Args:
        texts: those that train; the same texts give the same pieces.
        pieces: size of the vocabulary at most.
        max_tokens: texts are cut to so many.

    Source: Sennrich, Haddow and Birch (2016), Neural Machine Translation of Rare Words with Subword Units, section 3.2.

    Example:
        >>> "hello" in LearnedPieces(["hello you"] * 5, 200).tokenizer_json()["model"]["vocab"]
        True
    """

    def __init__(self, texts: Iterable[str], pieces: int, max_tokens: int = 128) -> None:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        self.max_tokens = max_tokens
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        printable = [chr(code) for code in range(33, 127)]  # whatever a keyboard has can be spelled
        trainer = trainers.BpeTrainer(
            vocab_size=pieces, special_tokens=["[UNK]"], show_progress=False, initial_alphabet=printable, min_frequency=2
        )
        tokenizer.train_from_iterator((readable(text, max_tokens) for text in texts), trainer)
        self._tokenizer: Json = json.loads(tokenizer.to_str())

    def tokenizer_json(self) -> Json:
        """The content of a tokenizer.json."""
        return self._tokenizer

    def token_embeddings(self) -> None:
        """None: nobody has trained any."""
        return

    def start(self, old_ids_V: Any) -> None:
        """None: a student starts from chance."""
        del old_ids_V


def lent_table(run: Run, teacher: Any) -> Any:
    """The embeddings of the vocabulary that students come from; None where there is none."""
    return origin_of(run, teacher).token_embeddings() if run.recipe.entry("modalities").vocabulary else None


def origin_of(run: Run, teacher: Any) -> Any:
    """Where the run's students come from: what was settled, else the teacher."""
    return teacher if run.origin is None else run.origin


def settle_origin(run: Run, teacher: Any, texts: Iterable[str]) -> None:
    """Settle where students come from, once the teacher is known; the teacher itself where it has a tokenizer and the recipe names no other.

    Raises:
        TeacherError: the encoder that the recipe names cannot be loaded.
        RecipeError: it names one where students read no vocabulary.
    """
    section = run.recipe.student.start
    if not run.recipe.entry("modalities").vocabulary:
        if section.model is not None:
            raise RecipeError("student.start.model lends a vocabulary, and this task's students read none. Leave it out.")
        return
    if section.model is not None:
        encoder = catalog.find("teachers", "huggingface")
        run.origin = encoder.load(encoder.Settings(section.model, max_tokens=section.max_tokens), run.device)
        run.progress("start", 1, 1, f"students read and start as {section.model} does")
    elif not hasattr(teacher, "tokenizer_json") or teacher.tokenizer_json() is None:
        run.origin = LearnedPieces(texts, section.pieces, section.max_tokens)
        count = len(run.origin.tokenizer_json()["model"]["vocab"])
        run.progress(
            "start",
            1,
            1,
            f"the teacher has no tokenizer: {count:,} pieces learned from the texts; students start from chance, and views know no near words",
        )
