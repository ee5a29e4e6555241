"""What the students bag and conv_text compute, against arithmetic that is not theirs. The encoder has a file of its own."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from limbeck.students._rows import as_written, principal
from limbeck.students.bag import Bag
from limbeck.students.conv_text import Convolution, ConvText
from limbeck.targets.numpy import evaluate
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


def test_the_rows_of_runs_by_whole_numbers_of_python() -> None:
    """Texts of three, two and one token, and buckets and weights worked out by hand."""
    network = Bag(
        Bag.Settings(width=4, hidden=3, ngrams=3, buckets=5, precision="float32"), V, 2, used_V=np.arange(V) != 7, seed=0
    )
    with torch.no_grad():
        network.ngram.weight.normal_(generator=torch.Generator().manual_seed(1))
        network.token_weight.weight.normal_(generator=torch.Generator().manual_seed(2))
    texts = [[3, 9, 3], [10, 4], [2], [3, 7, 5]]
    weight = F.softplus(network.token_weight.weight[network.row_of_piece, 0]).tolist()
    weight[7] = 0.0
    factors = (1_103_515_245, 668_265_263, 374_761_393)
    expected = []
    for text in texts:
        total = sum(weight[i] * network.embedding.weight[network.row_of_piece[i]] for i in text)
        for size in (2, 3):
            for run in (text[at : at + size] for at in range(len(text) - size + 1)):
                bucket = sum(f * i for f, i in zip(factors, run, strict=False)) % (2**31 - 1) % 5
                total = total + np.prod([weight[i] for i in run]) * network.ngram.weight[bucket]
        expected.append(total / (sum(weight[i] for i in text) + 1e-6))
    with torch.inference_mode():
        found = network.eval()(**tensors(*texts)).embedding_BD
    torch.testing.assert_close(found, torch.stack(expected).detach())


def test_runs_of_the_largest_ids_stay_in_int64() -> None:
    network = Bag(Bag.Settings(width=2, hidden=2, ngrams=3, buckets=97, precision="float32"), 2**20, 2, seed=0).eval()
    with torch.no_grad():
        network.ngram.weight.normal_(generator=torch.Generator().manual_seed(1))
    inputs = tensors([2**20 - 1, 2**20 - 2, 2**20 - 3])
    with torch.inference_mode():
        expected = network(**inputs).logits_BC.numpy()
    np.testing.assert_allclose(evaluate(network.graph(), {k: v.numpy() for k, v in inputs.items()}), expected, atol=1e-5)
    assert 3 * 2**30 * max((1_103_515_245, 668_265_263, 374_761_393)) < 2**63


def test_the_start_with_runs_is_the_start_without() -> None:
    inputs = tensors([1, 2, 3, 4], [5], [6, 7])
    with_runs, without = (Bag(Bag.Settings(width=4, ngrams=n), V, 3, start=teacher(), seed=3).eval() for n in (3, 1))
    with torch.inference_mode():
        assert torch.equal(with_runs(**inputs).logits_BC, without(**inputs).logits_BC)


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
    """Nothing is added yet, so its mean is the bag's; and a text's order begins to matter once something is."""
    inputs = tensors([1, 2, 3, 4], [4, 3, 2, 1], [6])
    network = ConvText(ConvText.Settings(width=4), V, 3, start=teacher(), seed=0).eval()
    bag = Bag(Bag.Settings(width=4), V, 3, start=teacher(), seed=0).eval()
    with torch.inference_mode():
        found = network(**inputs)
        torch.testing.assert_close(found.embedding_BD, bag(**inputs).embedding_BD)
        torch.testing.assert_close(found.logits_BC[0], found.logits_BC[1])
        for convolution in network.convolutions:
            convolution.pointwise.weight.normal_(generator=torch.Generator().manual_seed(0))
        moved = network(**inputs).logits_BC
    assert (moved[0] - moved[1]).abs().max() > 1e-3
