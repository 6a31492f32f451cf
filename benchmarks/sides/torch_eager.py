"""PyTorch: the eager training loop that its tutorials teach, in its fast form.

All three implementations of the optimizer are tried. At batch size 1 the time goes into launching
operations one by one, not into arithmetic.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from sides import Array, Parameters, Task, Variants

NAME = "PyTorch"
COMPARABLE = True
SLOW_STEPS = True
NOTE = "eager: `nn.Linear`, `torch.sigmoid`, autograd, `torch.optim.SGD`, one thread"
_OPTIMIZERS = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
_BLOCK = 256


class _Autoencoder(nn.Module):
    """Two linear layers, each followed by a sigmoid."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        I, h = parameters["W0"].shape
        self.encoder, self.decoder = nn.Linear(I, h), nn.Linear(h, I)
        with torch.no_grad():
            for layer, index in ((self.encoder, 0), (self.decoder, 1)):
                layer.weight.copy_(torch.from_numpy(parameters[f"W{index}"].T))
                layer.bias.copy_(torch.from_numpy(parameters[f"b{index}"]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.decoder(torch.sigmoid(self.encoder(x))))

    def as_dict(self) -> Parameters:
        layers = (self.encoder, self.decoder)
        weights = {f"W{k}": layer.weight.detach().numpy().T for k, layer in enumerate(layers)}
        return weights | {f"b{k}": layer.bias.detach().numpy() for k, layer in enumerate(layers)}


def training(task: Task) -> Variants:
    """Return the loop with each implementation of the optimizer."""
    torch.set_num_threads(1)
    X = torch.from_numpy(task.X)

    def trainer(options: dict[str, bool]):
        def train() -> Parameters:
            model = _Autoencoder(task.parameters)
            optimizer = torch.optim.SGD(model.parameters(), lr=task.learning_rate, **options)
            for _ in range(task.epochs):
                _epoch(model, optimizer, X, task.batch_size)
            return model.as_dict()

        return train

    return {name: partial(trainer, options) for name, options in _OPTIMIZERS.items()}


def _epoch(model: nn.Module, optimizer, X: torch.Tensor, batch_size: int) -> None:
    for x in X.split(batch_size):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(model(x), x, reduction="sum") / (2 * len(x))
        loss.backward()
        optimizer.step()


def reconstruction(task: Task) -> Variants:
    """Pass all images through the model at once, or block by block."""
    torch.set_num_threads(1)
    model, X = _Autoencoder(task.parameters), torch.from_numpy(task.X)

    @torch.inference_mode()
    def at_once() -> Array:
        return model(X).numpy()

    @torch.inference_mode()
    def in_blocks() -> Array:
        return torch.cat([model(x) for x in X.split(_BLOCK)]).numpy()

    return {"at once": lambda: at_once, f"blocks of {_BLOCK}": lambda: in_blocks}
