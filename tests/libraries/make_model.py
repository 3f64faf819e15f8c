"""Writes the model that host_beside_blas.F90 calls: make_model.py FILE. Products of small whole numbers, in both precisions."""

import sys

import torch


class Product(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        i = torch.arange(1, 65)
        self.register_buffer("w", ((7 * i[:, None] + 3 * i[None, :]) % 11 - 5).double())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x @ self.w, x.float() @ self.w.float()


torch.jit.script(Product()).save(sys.argv[1])
