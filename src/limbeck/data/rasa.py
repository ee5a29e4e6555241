"""Examples of Rasa NLU training data: a YAML file, or a folder or zip of them. Knows intents and annotations; runs no Rasa.

Only `intent` sections hold examples; `regex`, `lookup` and `synonym` sections, and files without `nlu:` (domain, stories, rules), hold
none. A zip is never unpacked, and no more of it is read than a limit allows, whatever its index promises.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from limbeck.data.files import opened, readable
from limbeck.data.lines import Row
from limbeck.data.rejected import Reject, Rejected
from limbeck.errors import DataError, InputFileError, listing
from limbeck.yaml import reader

SUFFIXES = (".yml", ".yaml")
_SECTIONS = ("intent", "synonym", "regex", "lookup")
_LARGEST_MEMBER = 64 * 2**20
_LARGEST_ZIP = 512 * 2**20
"""Bytes of one member of a zip, and of all that are read, unpacked."""
# No part may run over the next bracket, so that 100,000 open brackets cost no more than 100,000 steps.
_ANNOTATED = re.compile(r"\[(?P<text>[^\[\]]+)\](?:\([^()\[\]]+\)|\{[^{}]+\}|\[\s*\{[^\[\]]*\}\s*\])")


def rasa_file(file: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """The examples of one YAML file.

    Raises:
        DataError: it is not YAML, or has no `nlu:`.
    """
    with readable(file), opened(file, newline=None) as handle:
        content = handle.read()
    keys = _top_level(content, str(file))
    if "nlu" not in keys:
        found = f"its keys are {listing(list(keys))}" if keys else "it holds no mapping"
        raise DataError(f"{file}: not Rasa NLU data: expected a key 'nlu:' with a list of intents; {found}.")
    yield from _examples(keys["nlu"], str(file), reject)


def rasa_folder(folder: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """The examples of all YAML files in a folder and below it that have an `nlu:`, in the order of their paths.

    Raises:
        DataError: a file is not YAML, or none has `nlu:`.
    """
    found = False
    for file in yaml_files(folder):
        with readable(file), opened(file, newline=None) as handle:
            keys = _top_level(handle.read(), str(file))
        if "nlu" in keys:
            found = True
            yield from _examples(keys["nlu"], str(file), reject)
    _some(found, folder, "folder")


def rasa_zip(file: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """The examples of all YAML files in a zip that have an `nlu:`, in the order of their names.

    Raises:
        DataError: it is not a zip, is not whole, would unpack to too much, or names a file outside of itself.
    """
    found, left = False, _LARGEST_ZIP
    with readable(file):
        try:
            with zipfile.ZipFile(file) as archive:
                for member in sorted(archive.infolist(), key=lambda m: m.filename):
                    path = PurePosixPath(member.filename)
                    if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                        raise DataError(f"{file}: it names a file outside of itself, '{path}'. Make the zip again.")
                    if member.is_dir() or not _is_yaml(path.parts):
                        continue
                    where = f"{file}/{path}"
                    content = _unpacked(archive, member, where, min(left, _LARGEST_MEMBER))
                    left -= len(content)
                    keys = _top_level(_decoded(content, where), where)
                    if "nlu" in keys:
                        found = True
                        yield from _examples(keys["nlu"], where, reject)
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"{file}: not a whole zip file ({error}). Copy or pack it again.") from error
    _some(found, file, "zip")


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files in a folder and below it, sorted; hidden ones are left out, and links to folders are not followed.

    Raises:
        InputFileError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputFileError(f"cannot read the folder {error.filename}: {error.strerror}.") from error

    walk = os.walk(folder, onerror=refuse)
    files = (Path(place) / name for place, _, names in walk for name in names)
    return sorted(file for file in files if _is_yaml(file.relative_to(folder).parts))


def _is_yaml(parts: tuple[str, ...]) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and parts[-1].lower().endswith(SUFFIXES)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, most: int) -> bytes:
    try:
        with archive.open(member) as handle:
            content = handle.read(most + 1)  # the size in a zip's index may be a lie
    except Exception as error:  # a password, an unknown method, and each method's own complaint about broken bytes
        raise DataError(f"{where}: cannot be unpacked ({error}). Pack the zip again, whole and without a password.") from error
    if len(content) > most:
        raise DataError(
            f"{where}: unpacks to more than is read, {_LARGEST_MEMBER:,} bytes a file and {_LARGEST_ZIP:,} in all. "
            "Training data are smaller; look what this file is."
        )
    return content


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 ({error.reason}, byte 0x{content[error.start]:02x}). Save it as UTF-8.") from error


def _some(found: bool, source: Path, what: str) -> None:
    if not found:
        raise DataError(
            f"{source}: this {what} holds no Rasa NLU data (YAML files with 'nlu:'). Name the data file itself, or, for a dataset "
            f"of the library `datasets`, give hf://{source}"
        )


def _top_level(text: str, where: str) -> dict[str, Any]:
    """The nodes of a YAML mapping by key; nodes keep their lines, and nothing is built from tags or aliases."""
    from ruamel.yaml.error import YAMLError

    try:
        root = reader().compose(text)
    except (YAMLError, RecursionError) as error:
        raise DataError(f"{where}: not valid YAML\n{error}") from error
    keys: dict[str, Any] = {}
    for key, value in _pairs(root):
        if key in keys:
            raise DataError(f"{where}, line {value.start_mark.line + 1}: the key '{key}' stands twice. Join the two.")
        keys[key] = value
    return keys


def _examples(nlu: Any, where: str, reject: Reject) -> Iterator[Row]:
    if nlu.id != "sequence":
        if _is_null(nlu):
            return
        raise DataError(f"{where}, line {nlu.start_mark.line + 1}: 'nlu:' must hold a list that begins with '- intent:'.")
    for item in nlu.value:
        place = f"{where}, line {item.start_mark.line + 1}"
        section = dict(_pairs(item))
        kind = next((name for name in _SECTIONS if name in section), None)
        if kind is None:
            known = ", ".join(_SECTIONS)
            reject(Rejected(place, f"expected a section with one of {known}; got {_shown(item)}", _shown(item)))
        elif kind == "intent":
            intent, examples = section["intent"], section.get("examples")
            if intent.id != "scalar" or _is_null(intent) or not intent.value.strip():
                reject(Rejected(place, f"an intent needs a name; got {_shown(intent)}", _shown(intent)))
            elif examples is None or _is_null(examples):
                reject(Rejected(place, f"the intent '{intent.value}' has no examples", {"label": intent.value}))
            else:
                yield from _texts(examples, intent.value.strip(), where, reject)


def _texts(examples: Any, intent: str, where: str, reject: Reject) -> Iterator[Row]:
    first = examples.start_mark.line + 1
    if examples.id == "scalar":
        # The lines of a literal block begin below its sign; those of another scalar cannot be told apart.
        literal = examples.style == "|"
        for number, line in enumerate(examples.value.split("\n"), 1):
            place = f"{where}, line {first + number * literal}"
            if line.lstrip().startswith("-"):
                yield place, {"text": plain(line.lstrip()[1:].strip()), "label": intent}
            elif line.strip():
                reject(Rejected(place, f"an example of '{intent}' must begin with '- '; got {line:.60}", {"text": line}))
        return
    for item in examples.value if examples.id == "sequence" else [examples]:
        text = dict(_pairs(item)).get("text", item)
        place = f"{where}, line {item.start_mark.line + 1}"
        if text.id == "scalar":
            yield place, {"text": None if _is_null(text) else plain(text.value.strip()), "label": intent}
        else:
            reject(Rejected(place, f"an example of '{intent}' must be a text; got {_shown(item)}", _shown(item)))


def plain(example: str) -> str:
    """An example without its entity annotations.

    Example:
        >>> plain('from [LA]{"entity": "city", "role": "from"} to [the moon](planet)')
        'from LA to the moon'
    """
    return _ANNOTATED.sub(lambda found: found["text"], example)


def _pairs(node: Any) -> list[tuple[str, Any]]:
    """The entries of a mapping whose keys are plain; of anything else none."""
    if node is None or node.id != "mapping":  # None: an empty file
        return []
    return [(key.value, value) for key, value in node.value if key.id == "scalar"]


def _is_null(node: Any) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _shown(node: Any) -> str:
    """A short name for a node; never its whole content, which aliases can make endless."""
    if node.id == "scalar":
        return repr(node.value[:60])
    keys = [key for key, _ in _pairs(node)]
    return f"a mapping of {listing(keys)}" if keys else "a list" if node.id == "sequence" else "nothing"
