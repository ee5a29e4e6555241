"""A graph as an ONNX file, run by ONNX Runtime. Knows the ONNX format; knows nothing of students or bundles.

Only `write` needs the onnx package. The file holds its weights itself (no external data) and standard operators of opset 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import missing_extra
from limbeck.graph import Graph
from limbeck.onnx_file.check import check
from limbeck.types import Runner

_OPSET = 18
_IR_VERSION = 9  # what ONNX Runtime 1.16 and later read


class Onnx:
    """One `model.onnx`."""

    filename = "model.onnx"
    tolerance = 1e-4

    def write(self, graph: Graph, path: Path) -> None:
        """Write the graph; the same graph gives the same bytes.

        Raises:
            MissingExtraError: the onnx package is not installed.
        """
        try:
            import onnx
            from onnx import TensorProto, helper, numpy_helper
        except ImportError as error:
            raise missing_extra("onnx", "train", "writing an ONNX file") from error

        constants: dict[str, NDArray[Any]] = dict(graph.constants)
        nodes = []
        for node in graph.nodes:
            inputs, attributes = list(node.inputs), dict(node.attributes)
            if "axes" in attributes:  # an input since opset 13/18, an attribute in our graph
                name = f"{node.output}.axes"
                constants[name] = np.asarray(attributes.pop("axes"), dtype=np.int64)
                inputs.append(name)
            if node.op == "Conv":  # what ONNX takes where nothing is said need not be said
                attributes = {k: v for k, v in attributes.items() if k == "pads" or set(np.atleast_1d(v).tolist()) != {1}}
            if node.op == "Cast":
                attributes["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
            nodes.append(helper.make_node(node.op, inputs, [node.output], name=node.output, **attributes))
        values = [
            helper.make_tensor_value_info(i.name, helper.np_dtype_to_tensor_dtype(np.dtype(i.dtype)), list(i.shape))
            for i in graph.inputs
        ]
        output = helper.make_tensor_value_info(graph.output, TensorProto.FLOAT, ["B", None])
        model = helper.make_model(
            helper.make_graph(
                nodes,
                "limbeck",
                values,
                [output],
                [numpy_helper.from_array(v, k) for k, v in constants.items()],
            ),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="limbeck",
        )
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString(deterministic=True))

    def load(self, file: Path | bytes, threads: int = 1) -> Runner:
        """A function from named arrays to logits (B, C). The file is checked before ONNX Runtime sees it.

        Args:
            file: its path, or its content, which is then what was checked elsewhere and not read again.
            threads: of ONNX Runtime.

        Raises:
            ModelFileError: it holds external data, an operator that limbeck does not run, or is damaged; the message names it.
        """
        data, where = (file, self.filename) if isinstance(file, bytes) else (file.read_bytes(), str(file))
        check(data, where)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Texts come in hundreds of shapes. A plan of the memory is kept for each that was ever seen, an arena for the largest: a server grew
        # by 20 MB over a quarter of a million requests, and neither makes an answer quicker here.
        options.enable_mem_pattern = options.enable_cpu_mem_arena = False
        options.log_severity_level = 4  # what it refuses is raised; it need not be printed as well
        options.add_session_config_entry(
            "session.load_model_format", "ONNX"
        )  # and never its own format, whatever the bytes look like
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        output = session.get_outputs()[0].name

        def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
            return cast("NDArray[np.float32]", session.run([output], {name: inputs[name] for name in names})[0])

        return run
