"""More points for a trained :class:`ftorch_bridge.all_sky.AllSky`, where single ones carry too much of the heating.

A point is one absorption for all that it stands for. Where it makes most of the heating of a layer, in the mesosphere above
all, the error of that is the network's. Such points are split into copies that share their light and absorb more and less than
they did; the network is nearly the same and trains on from there, as a correlated-k model is made by dividing its intervals
where they err (Hogan and Matricardi 2022, ecCKD).

The uppermost layer sends to space, and takes from the Sun, what the centres of lines do: one of RRTMG's g-points, of carbon
dioxide at 15 um with 2e-4 of the emission, is opaque within it, and cools it by tens of K day-1. No training brings a point
that far: it has to be begun there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ftorch_bridge.all_sky import AllSky

STEP: Final = 0.4
"""Between the logarithms of the copies' strengths."""
STRONGER: Final = 8.0
"""How much more absorbing each of the strong points is than the one before, and how much smaller its share."""
STRONG_PART: Final = 0.3
"""Of what a point heats where it is transparent, what each strong one of the shortwave adds."""
OPAQUE_DEPTH: Final = 2.65
"""Optical depth of the uppermost layer at the first strong point of the longwave: RRTMG's g-point 52, in columns up to 1 Pa."""
OPAQUE_PART: Final = (0.9, 0.01)
"""Of what cools the uppermost layer, what the first strong point of the longwave does, and each of the others."""


@dataclass(frozen=True)
class Copies:
    """What becomes of points."""

    index: Tensor
    """The point that each new one is a copy of."""
    share: Tensor
    """Logarithm of its share of that point's light."""
    strength: Tensor
    """What is added to the logarithm of its absorption: the mean of the copies' absorption is as before."""

    @classmethod
    def of(cls, counts: Tensor) -> Copies:
        """``counts`` (point,) copies of each."""
        index = torch.repeat_interleave(torch.arange(len(counts)), counts)
        place = torch.cat([torch.arange(n) - 0.5 * (n - 1) for n in counts.tolist()]) * STEP
        mean = torch.zeros(len(counts)).index_add_(0, index, place.exp()) / counts
        return cls(index, -counts[index].float().log(), place - mean[index].log())

    @classmethod
    def one_of_each(cls, number: int) -> Copies:
        """Points that stay as they are."""
        return cls.of(torch.ones(number, dtype=torch.long))

    def with_strong(self, point: int, number: int) -> Copies:
        """With so many strong points, made of ``point``, behind these."""
        steps = math.log(STRONGER) * torch.arange(1, number + 1)
        index = torch.cat([self.index, torch.full((number,), point)])
        return Copies(index, torch.cat([self.share, math.log(STRONG_PART) - steps]), torch.cat([self.strength, steps]))

    def __add__(self, behind: Copies) -> Copies:
        """With the points of ``behind`` behind these."""
        index = torch.cat([self.index, behind.index + int(self.index.max()) + 1])
        return Copies(index, torch.cat([self.share, behind.share]), torch.cat([self.strength, behind.strength]))


@torch.no_grad()
def points_of(network: AllSky, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Heating rates of each point, longwave and shortwave (point, layer, column) [K day-1].

    ``inputs`` are those of the network, columns of one grid.
    """
    operators, network.use_operators = network.use_operators, False  # they add the points up
    try:
        s = network.describe(inputs)
        longwave, shortwave = network.radiate_by_points(s)
    finally:
        network.use_operators = operators
    rate = network.heating_factor / s["thickness"]
    return longwave[2] * rate, shortwave[2] * rate


def heating_of_points(network: AllSky, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Root mean square over columns of what :func:`points_of` gives (point, layer) [K day-1]."""
    longwave, shortwave = points_of(network, inputs)
    return (longwave**2).mean(2).sqrt(), (shortwave**2).mean(2).sqrt()


def divided(heating: Tensor, more: int, strong: int = 0, layer: int = 0) -> Copies:
    """Points of ``heating`` (point, layer) and ``more``: the one that heats most on its own is split, and then so on.

    ``strong`` points further, made of the one that heats ``layer`` most.
    """
    counts, whole = torch.ones(len(heating), dtype=torch.long), (heating**2).sum(1).sqrt()
    for _ in range(more):
        counts[int((whole / counts).argmax())] += 1
    return Copies.of(counts).with_strong(int(heating[:, layer].argmax()), strong)


def _begin_opaque(network: AllSky, inputs: list[Tensor], number: int) -> None:
    """Give the last ``number`` common points of the longwave what carbon dioxide alone does, opaque in the uppermost layer.

    The first is begun with nine tenths of what cools that layer, which others have to leave to it.
    """
    window, common = network.config["longwave_points"], network.config["longwave_common"]
    gas, carbon_dioxide = network.longwave_gas, 1
    amounts = network.describe(inputs)["amounts"][carbon_dioxide, 0].mean()
    cooling = network(*inputs)[2][:, 0].mean()
    for i in range(number):
        of_common = common - number + i
        point = window + of_common
        gas.head.weight[point] = 0.0
        gas.head.bias[point] = math.log(OPAQUE_DEPTH / STRONGER**i / float(amounts))
        gas.strength[point] = -8.0
        gas.strength[point, carbon_dioxide] = 0.0
        network.emission_share.weight[of_common] = 0.0
        network.emission_share.bias[of_common] = network.emission_share.bias.mean()
        for _ in range(3):  # its cooling is in proportion to its share, nearly
            own = points_of(network, inputs)[0][point, 0].mean()
            wanted = OPAQUE_PART[min(i, 1)] * cooling / own
            network.planck[0, of_common] += float(wanted.abs().clamp(1e-3, 1e3).log())


@torch.no_grad()
def split(
    network: AllSky,
    inputs: list[Tensor],
    *,
    longwave: int = 0,
    shortwave: int = 0,
    cloudy: int = 0,
    longwave_strong: int = 0,
    shortwave_strong: int = 0,
) -> AllSky:
    """``network`` with so many more common points of the longwave, common and cloudy points of the shortwave, strong points.

    ``inputs`` are those of the network, columns of one grid by which points are chosen. Raises ``ValueError`` for fewer points.
    """
    if min(numbers := (longwave, shortwave, cloudy, longwave_strong, shortwave_strong)) < 0:
        raise ValueError(f"points: expected 0 more or above, got {', '.join(map(str, numbers))}")
    config = dict(network.config)
    window, others = config["longwave_points"], config["longwave_points"] * (config["skies"] - 1)
    clear, common = config["shortwave_clear"], config["shortwave_clear"] + config["shortwave_common"]
    by_longwave, by_shortwave = heating_of_points(network, inputs)
    keep = Copies.one_of_each
    strong = divided(by_longwave[window : window + config["longwave_common"]], longwave, longwave_strong, layer=1)
    sunny = divided(by_shortwave[clear:common], shortwave, shortwave_strong)
    dim = divided(by_shortwave[common:], cloudy)
    emitting, sunlit = strong + keep(window), keep(clear) + sunny + dim
    copies = {
        "longwave_gas": keep(window) + strong + keep(others),
        "longwave_cloud": strong + keep(others),
        "planck": emitting,
        "emission_share": emitting,
        "shortwave_gas": sunlit,
        "ozone": sunlit,
        "rayleigh": sunlit,
        "shortwave_cloud": sunny + dim,
        "scattering_cloud": sunny + dim,
        "cloud_bands": sunny + dim,
        "common_share": sunny + keep(1),
        "sun_share": dim,
    }
    state = dict(network.state_dict())
    for name, values in state.items():
        if (of := copies.get(name.split(".", maxsplit=1)[0])) is not None:
            state[name] = values.index_select(1 if name == "planck" else 0, of.index)
    state["planck"] = torch.cat([state["planck"][:1] + emitting.share, state["planck"][1:]])
    for name in ("common_share", "sun_share"):
        state[f"{name}.bias"] = state[f"{name}.bias"] + copies[name].share[:, None]
    for name in ("longwave_gas", "shortwave_gas"):
        state[f"{name}.head.bias"] = state[f"{name}.head.bias"] + copies[name].strength[:, None]
    state["ozone"] = state["ozone"] + sunlit.strength[:, None]
    grown = type(network).from_config(
        config
        | {
            "longwave_common": config["longwave_common"] + longwave + longwave_strong,
            "shortwave_common": config["shortwave_common"] + shortwave + shortwave_strong,
            "shortwave_cloudy": config["shortwave_cloudy"] + cloudy,
        }
    )
    grown.load_state_dict(state)
    grown.eval()
    if longwave_strong:
        _begin_opaque(grown, inputs, longwave_strong)
    return grown
