"""A network that computes as its int8 file will."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from limbeck.engine.as_int8 import AsInt8, rounded_activation, rounded_weight
from limbeck.quantize import Scheme, ranges, whole_weights


def test_it_rounds_as_the_file_does() -> None:
    dice = np.random.default_rng(0)
    x, weight = dice.normal(0.5, 2.0, (7, 5)).astype(np.float32), dice.standard_normal((4, 5)).astype(np.float32)
    whole, scale = whole_weights(weight, Scheme(), outputs=0)
    np.testing.assert_allclose(rounded_weight(torch.from_numpy(weight)).numpy(), whole * scale[:, None], atol=1e-6)
    step, zero = ranges(x)["min-max"].steps("uint8")
    written = (np.clip(np.rint(x / step) + zero, 0, 255) - zero) * step
    np.testing.assert_allclose(rounded_activation(torch.from_numpy(x)).numpy(), written, atol=1e-6)
    assert len(np.unique(rounded_activation(torch.linspace(-1, 3, 9999)).numpy())) == 256
    assert (rounded_activation(torch.zeros(3)) == 0).all()
    assert (rounded_weight(torch.zeros(2, 3)) == 0).all()


def test_products_of_places_and_convolutions_are_rounded_and_those_of_pooled_rows_are_not() -> None:
    torch.manual_seed(0)
    linear, places = nn.Linear(6, 3), torch.randn(2, 4, 6)
    with AsInt8():
        found, pooled = linear(places), linear(places[:, 0])
    expected = F.linear(rounded_activation(places), rounded_weight(linear.weight), linear.bias)
    assert torch.equal(found, expected)
    assert not torch.equal(found, linear(places))
    assert torch.equal(pooled, linear(places[:, 0]))
    for convolution, x in ((nn.Conv2d(2, 4, 3), torch.randn(1, 2, 5, 5)), (nn.Conv1d(2, 4, 3), torch.randn(1, 2, 5))):
        with AsInt8():
            inside = convolution(x)
        assert not torch.equal(inside, convolution(x))
        torch.testing.assert_close(inside, convolution(x), atol=0.1, rtol=0.1)


def test_gradients_go_through_as_if_nothing_were_rounded() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(6, 3), torch.randn(2, 4, 6)
    with AsInt8():
        linear(x).sum().backward()
    found = linear.weight.grad.clone()
    linear.weight.grad = None
    linear(rounded_activation(x)).sum().backward()
    torch.testing.assert_close(found, linear.weight.grad)
