"""What the students bag and conv_text compute, against arithmetic that is not theirs. The encoder has a file of its own."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from limbeck.graph import GraphBuilder, GraphInput
from limbeck.students._rounding import as_read, as_written, int4, packed
from limbeck.students._rows import emit_rows, emit_sum, principal
from limbeck.students.bag import Bag
from limbeck.students.conv_text import Convolution, ConvText
from limbeck.students.encoder import Encoder
from limbeck.targets.numpy import evaluate
from limbeck.targets.onnx import Onnx
from limbeck.types import Start

V = 11


def teacher(width: int = 16) -> Start:
    return Start(np.random.default_rng(0).normal(size=(V, width)).astype(np.float32) * 0.05)


def tensors(*texts: list[int]) -> dict[str, torch.Tensor]:
    longest = max(map(len, texts))
    ids = torch.tensor([[*t, *[0] * (longest - len(t))] for t in texts])
    mask = torch.tensor([[1.0] * len(t) + [0.0] * (longest - len(t)) for t in texts])
    return {"ids": ids, "mask": mask}


def test_principal_components_by_singular_values() -> None:
    rows = torch.from_numpy(teacher().tokens_VS)
    found = principal(rows, 3)
    mean = rows.numpy().mean(0)
    u, s, v = np.linalg.svd(rows.numpy() - mean, full_matrices=False)
    nearest = mean + (u[:, :3] * s[:3]) @ v[:3]
    np.testing.assert_allclose((found.mean_S + found.values_RD @ found.vectors_DS).numpy(), nearest, atol=1e-5)
    assert (found.values_RD.var(0).diff() < 0).all()
    torch.testing.assert_close(found.of(rows), found.values_RD)


def test_int8_rows_are_within_half_a_step() -> None:
    rows = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    rows[0] = 0.0
    step = rows.abs().amax(1, keepdim=True) / 127
    assert ((as_written(rows, "int8") - rows).abs() <= step * 0.5001).all()
    assert as_written(rows, "float32") is rows


def test_int4_rows_keep_their_largest_number_and_the_rest_within_half_a_step() -> None:
    rows = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 3, 50)[:, None]
    rows[0] = 0.0
    whole, scale = int4(rows)
    assert sorted(whole.unique().tolist()) == list(range(-8, 8))
    torch.testing.assert_close(scale[1:].abs(), rows[1:].abs().amax(1, keepdim=True) / 8)
    largest = rows.abs().argmax(1, keepdim=True)
    assert (whole.gather(1, largest)[1:] == -8).all()
    written = as_written(rows, "int4")
    torch.testing.assert_close(written.gather(1, largest), rows.gather(1, largest))
    beyond = rows / scale > 7.5  # as large as the largest, with the other sign: a step is lost, but no more
    assert beyond.any()
    assert ((written - rows).abs() <= scale.abs() * torch.where(beyond, 1.0, 0.5) * 1.0001).all()
    assert not written[0].any()


def test_of_two_equal_numbers_int4_takes_the_lower_in_every_place() -> None:
    for row in ([1.0, -1.0, 0.3], [-1.0, 0.3, 1.0]):
        assert int4(torch.tensor([row]))[1].item() == int4(torch.tensor([[row] * 9] * 9))[1][4, 4].item() == 0.125


def test_int4_rows_by_hand() -> None:
    rows = torch.tensor([[8.0, -7.9, 0.4, -0.6, 6.4, 1.1], [-0.8, 0.0, 0.04, -0.06, 0.71, 0.79]])
    whole, scale = int4(rows)
    assert whole.tolist() == [[-8, 7, 0, 1, -6, -1], [-8, 0, 0, -1, 7, 7]]
    torch.testing.assert_close(scale, torch.tensor([[-1.0], [0.1]]))
    assert packed(whole).tolist() == [[0 + 9 * 16, 15 + 2 * 16, 8 + 7 * 16], [0 + 7 * 16, 8 + 15 * 16, 8 + 15 * 16]]
    assert packed(whole[:, :3]).tolist() == [[0 + 8 * 16, 15], [0 + 8 * 16, 8]]  # an odd width: the last high bits are free
    assert packed(whole).dtype == np.uint8


@pytest.mark.parametrize("width", [1, 2, 3, 7, 32, 33])
@pytest.mark.parametrize("precision", ["int8", "int4", "float32"])
def test_rows_of_a_file_are_the_rows_that_a_network_reads(precision: str, width: int, tmp_path) -> None:
    dice = torch.Generator().manual_seed(width)
    table, weight = torch.randn(9, width, generator=dice), torch.rand(9, generator=dice)
    rows, mask = torch.randint(0, 9, (2, 4), generator=dice), torch.tensor([[1.0] * 4, [1.0, 1.0, 0.0, 0.0]])
    g = GraphBuilder(GraphInput("rows", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
    graph = g.build(g("ReduceSum", emit_rows(g, "t", table, "rows", precision), axes=[1], keepdims=0))
    g = GraphBuilder(GraphInput("rows", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
    summed = g.build(emit_sum(g, "t", table, "rows", precision, weight, "mask"))
    read = as_written(table, precision)[rows]
    path = tmp_path / Onnx.filename
    inputs = {"rows": rows.numpy(), "mask": mask.numpy()}
    for each, expected in ((graph, read), (summed, read * (weight[rows] * mask).unsqueeze(-1))):
        Onnx().write(each, path)
        for found in (evaluate(each, inputs), Onnx().load(path)(inputs)):
            np.testing.assert_allclose(found, expected.sum(1).numpy(), atol=1e-6)
    assert graph.constants["t"].nbytes == 9 * {"int8": width, "int4": (width + 1) // 2, "float32": 4 * width}[precision]


def test_only_rows_of_four_bits_are_rounded_in_training_and_the_gradient_goes_through() -> None:
    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for precision in ("int8", "float32"):
        assert as_read(rows, precision, training=True) is rows
    read = as_read(rows, "int4", training=True)
    torch.testing.assert_close(read, as_written(rows, "int4"))
    (read * torch.arange(40.0).view(5, 8)).sum().backward()
    assert torch.equal(rows.grad, torch.arange(40.0).view(5, 8))
    assert torch.equal(as_read(rows, "int4", training=False), as_written(rows, "int4"))


@pytest.mark.parametrize("family", [Bag, ConvText, Encoder])
def test_int4_halves_the_table_once_more(family: type) -> None:
    network, _ = family.tiny()
    sizes = {}
    for precision in ("float32", "int8", "int4"):
        network.settings = dataclasses.replace(network.settings, precision=precision)
        sizes[precision] = network.graph().constants["embedding"].nbytes
    assert sizes["float32"] == 4 * sizes["int8"] == 8 * sizes["int4"]


def test_a_bag_by_the_numbers_of_numpy() -> None:
    """Texts of three, two, one and no token and two n-grams behind the first; the piece 7 is of no training text and says nothing."""
    network = Bag(
        Bag.Settings(width=4, hidden=3, ngrams=3, buckets=5, precision="float32"), V, 2, used_V=np.arange(V) != 7, seed=0
    )
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=dice)
    texts = [[3, 9, 3, V + 4, V], [10, 4], [2], [3, 7], []]
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    row_of = {**{i: i + 1 - (i > 7) for i in range(V) if i != 7}, **{V + i: V + i for i in range(5)}}
    for text, found in zip(texts, network.eval()(**tensors(*texts)).logits_BC, strict=True):
        rows = [row_of[i] for i in text if i != 7]
        total = sum((np.log1p(np.exp(p["token_weight.weight"][r, 0])) * p["embedding.weight"][r] for r in rows), np.zeros(4))
        normed = (total - total.mean()) / np.sqrt(total.var() + 1e-5) * p["norm.weight"] + p["norm.bias"]
        hidden = np.maximum(p["hidden.weight"] @ normed + p["hidden.bias"], 0)
        np.testing.assert_allclose(found.detach().numpy(), p["output.weight"] @ hidden + p["output.bias"], rtol=1e-4, atol=1e-4)


def test_the_start_with_ngrams_is_the_start_without() -> None:
    with_runs, without = (Bag(Bag.Settings(width=4, ngrams=n), V, 3, start=teacher(), seed=3).eval() for n in (3, 1))
    with torch.inference_mode():
        found = with_runs(**tensors([1, 2, 3, V + 7, V + 4095], [5], [6, 7, V])).embedding_BD
        torch.testing.assert_close(found, without(**tensors([1, 2, 3], [5], [6, 7])).embedding_BD)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_a_convolution_by_torchs_own(kernel: int) -> None:
    dice = torch.Generator().manual_seed(kernel)
    block = Convolution(6, kernel, normed=True, dropout=0.0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(generator=dice)
    x = torch.randn(3, 7, 6, generator=dice)
    mask = torch.tensor([[1.0] * 7, [1.0] * 4 + [0.0] * 3, [1.0] + [0.0] * 6]).unsqueeze(-1)
    seen = F.pad((F.layer_norm(x, (6,), block.norm.weight, block.norm.bias) * mask).mT, ((kernel - 1) // 2, kernel // 2))
    mixed = F.conv1d(seen, block.depthwise.T.unsqueeze(1), block.bias, groups=6).mT
    torch.testing.assert_close(block(x, mask), x + F.linear(mixed.relu(), block.pointwise.weight, block.pointwise.bias))


def test_conv_text_starts_as_its_embeddings_say() -> None:
    """Nothing is added yet, so its mean is that of the embeddings; and a text's order begins to matter once something is."""
    inputs = tensors([1, 2, 3, 4], [4, 3, 2, 1], [6])
    network = ConvText(ConvText.Settings(width=4, precision="float32"), V, 3, start=teacher(), seed=0).eval()
    with torch.inference_mode():
        found = network(**inputs)
        mean = torch.stack(
            [network.embedding.weight[network.row_of_piece[t]].mean(0) for t in ([1, 2, 3, 4], [4, 3, 2, 1], [6])]
        )
        torch.testing.assert_close(found.embedding_BD, mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.logits_BC[0], found.logits_BC[1])
        for convolution in network.convolutions:
            convolution.pointwise.weight.normal_(generator=torch.Generator().manual_seed(0))
        moved = network(**inputs).logits_BC
    assert (moved[0] - moved[1]).abs().max() > 1e-3
