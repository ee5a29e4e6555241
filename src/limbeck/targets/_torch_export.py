"""A torch module as an ONNX file, through torch's exporter. Knows the exporter's moods; knows nothing of teachers or students.

Letters: B examples, T positions.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.errors import ExportError, MissingExtraError, missing_extra

OPSET = 18
_MOST_BYTES = 2**31 - 2**20  # of one protobuf message, less what the graph itself takes
_LOGGERS = ("torch.onnx", "torch.export", "torch.fx", "torch._dynamo", "onnxscript", "onnx_ir")


def write_module(module: nn.Module, ids_BT: Tensor, mask_BT: Tensor, path: Path, longest: int) -> None:
    """Write a module from `ids` (int64) and `mask` (float32) to `logits` as one ONNX file, without external data and without a sound.

    The file holds what is computed, and no word on where: the exporter's notes name source files and the lines of its caller.

    Args:
        module: on the CPU.
        ids_BT, mask_BT: an example, at least 2 by 2: with 1 the exporter takes the size for a constant, and the file fails elsewhere.
        path: where it goes.
        longest: the most positions that the module can read.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed, or onnxscript is older than this torch needs.
        ExportError: the exporter refuses, or one file cannot hold so many weights.
    """
    assert min(ids_BT.shape) >= 2, tuple(ids_BT.shape)
    rows, columns = torch.export.Dim("B"), torch.export.Dim("T", max=longest)
    _write(module, {"ids": ids_BT, "mask": mask_BT}, {name: {0: rows, 1: columns} for name in ("ids", "mask")}, path)


def write_by_name(module: nn.Module, example: Mapping[str, Tensor], path: Path) -> None:
    """Write a module from named inputs whose first axis alone is free, as `write_module` does.

    Args:
        module: on the CPU; takes the inputs by their names.
        example: two rows or more of each.
        path: where it goes.

    Raises:
        MissingExtraError, ExportError: as there.
    """
    assert all(len(value) >= 2 for value in example.values()), {name: tuple(v.shape) for name, v in example.items()}
    rows = torch.export.Dim("B")
    _write(module, example, {name: {0: rows} for name in example}, path)


def _write(module: nn.Module, example: Mapping[str, Tensor], free: Mapping[str, Any], path: Path) -> None:
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise missing_extra(error.name or "onnxscript", "train", "writing a torch module as an ONNX file") from error
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    if size > _MOST_BYTES:
        raise ExportError(f"its weights take {size:,} bytes, and one ONNX file holds at most {_MOST_BYTES:,}")
    try:
        with _silence(), torch.no_grad():
            program: Any = torch.onnx.export(
                module,
                tuple(example.values()),
                dynamo=True,
                external_data=False,
                input_names=list(example),
                output_names=["logits"],
                dynamic_shapes=tuple(free[name] for name in example),
                opset_version=OPSET,
                verbose=False,
            )
            model = program.model_proto
    except ImportError as error:  # each torch asks for a part of onnxscript that older ones lack
        raise MissingExtraError(
            f"torch {torch.__version__} needs a newer onnxscript than {onnxscript.__version__} to write an ONNX file ({error}). "
            "Run: pip install --upgrade onnxscript"
        ) from error
    except Exception as error:  # the exporter raises many kinds, with pages of advice
        cause = error.__cause__ or error
        first = next((line.strip() for line in str(cause).splitlines() if line.strip()), "")
        raise ExportError(f"torch's exporter cannot write it: {type(cause).__name__}: {first}") from error
    _forget_sources(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_sources(model: Any) -> None:
    """Remove the exporter's notes on nodes and values."""
    graph = model.graph
    graph.ClearField("value_info")
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        for field in ("doc_string", "metadata_props"):
            if field in part.DESCRIPTOR.fields_by_name:
                part.ClearField(field)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        sink = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
