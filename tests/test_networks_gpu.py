"""The networks of all sky on a GPU: what they give on a CPU, with derivatives."""

import pytest
import torch
from ftorch_bridge.columns import generate_columns
from test_all_sky import inputs_of, random_network
from test_direct import make

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize("kind", ["all_sky", "rescnn", "birnn"])
def test_a_gpu_gives_what_a_cpu_gives(kind):
    network = random_network(1) if kind == "all_sky" else make(kind, 1)
    inputs = inputs_of(generate_columns(64, 60, seed=3))
    with torch.inference_mode():
        here = network(*inputs)
        network.cuda()
        there = network(*(t.cuda() for t in inputs))
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=1e-3, atol=1e-3 * float(a.abs().max()))
    network.train()
    sum((t**2).mean() for t in network(*(t.cuda() for t in inputs))).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
