"""All of radiation by networks that give fluxes and heating rates themselves, with constraints in place of transfer.

:class:`ResCNNSky` has the trunk of the published emulator, residual convolutions; :class:`BiRNNSky` a recurrent one, which
passes over the layers downward and upward as radiation does. What the trunk says of layers becomes fluxes such that, with any
weights,

- heating is the divergence of the fluxes;
- no flux is negative, and less light goes up than comes down;
- nights are dark, what comes in at the top is exact, and the surface reflects what its albedo says.

The network learns heating rates (of thin layers and thick ones in units that suit both), the flux that leaves at the top, and
the flux downward; net fluxes follow by summing what layers absorb, so that no error is blown up in a thin layer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ftorch_bridge.networks import ChannelMixing, ResidualModule
from ftorch_bridge.sky import FEATURES, SKY_FEATURES, SkyNetwork

LAYER_OUTPUTS = 4  # longwave heating, longwave down, shortwave absorption, reflection at the layer's lower level
EMITTER_FEATURES = 4  # temperatures of the levels and of the surface, emissivity: learned optics do not need them, this does
COLUMN_OUTPUTS = 3  # longwave at the top, reflection at the top, absorption of sunlight in the column


class DirectSky(SkyNetwork):
    """From what a trunk says of layers to fluxes and heating rates; subclasses give the trunk."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = ChannelMixing(FEATURES, channels)
        self.emitter_stem = ChannelMixing(EMITTER_FEATURES, channels)
        self.layer_head = ChannelMixing(channels, LAYER_OUTPUTS, gain=0.3)
        self.sky = ChannelMixing(SKY_FEATURES + channels, 32)
        self.column_head = ChannelMixing(32, COLUMN_OUTPUTS, gain=0.3)

    def run_trunk(self, x: Tensor) -> Tensor:
        """Channels (channel, layer, column) from the stem's."""
        raise NotImplementedError

    def run_layers(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the head says of layers (output, layer, column), and the channels' mean over the mass (channel, column)."""
        x = self.run_trunk(self.scaled_stem(s["features"]) + self.emitter_stem(self.describe_emitters(s)))
        return self.layer_head(x), (x * s["share"]).sum(1)

    def describe_emitters(self, s: dict[str, Tensor]) -> Tensor:
        """Features (feature, layer, column) of what emits around a layer: its levels against itself, and the surface."""
        layer, level = s["temperature_layer"], s["temperature_level"]
        surface = (s["surface_temperature"] * 0.01 - 2.5).expand_as(layer)
        emissivity = (10.0 * s["surface_emissivity"] - 9.5).expand_as(layer)
        return torch.stack([(level[:-1] - layer) * 0.1, (level[1:] - layer) * 0.1, surface, emissivity])

    def radiate(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See :meth:`ftorch_bridge.sky.SkyNetwork.radiate`."""
        thickness = s["thickness"]
        by_layer, mean = self.run_layers(s)
        hidden = self.sky(torch.cat([(s["sky"] - self.sky_mean) * self.sky_scale, mean])[:, None]).relu()
        of_column = self.column_head(hidden)[:, 0]
        rate = self.heating_factor / thickness
        # Heating rates of a layer vary by this much [K day-1], more the thinner the air.
        scale = 1.0 + 30.0 / (1.0 + (s["pressure_layer"] / 3.0).sqrt())

        # Longwave. Net fluxes are downward less upward.
        lw_heating = by_layer[0] * scale
        black = (s["temperature_level"] * s["temperature_level"]) ** 2 * self.stefan_boltzmann
        leaving = black[-1:] * of_column[:1].sigmoid()
        net = -torch.cat([leaving, leaving + torch.cumsum(lw_heating / rate, 0)])
        down = torch.cat([torch.zeros_like(leaving), 1.1 * black[1:] * by_layer[1].sigmoid()])
        lw_down = torch.maximum(down, net)  # what goes up is not negative
        lw_up = lw_down - net

        # Shortwave: what is not reflected at the top is absorbed, in the column or by the surface.
        incident = s["incident"][None]
        entering = incident * (1.0 - of_column[1:2].sigmoid())
        weights = nn.functional.softplus(by_layer[2]) * scale * thickness
        absorbed = entering * of_column[2:3].sigmoid() * (weights / weights.sum(0, keepdim=True))
        net = torch.cat([entering, (entering - torch.cumsum(absorbed, 0)).clamp_min(0.0)])  # but for rounding it is positive
        albedo = s["surface_albedo"].clamp_max(0.999)[None]
        reflection = torch.cat([of_column[1:2].sigmoid(), 0.999 * by_layer[3, :-1].sigmoid(), albedo])
        sw_down = net / (1.0 - reflection)
        sw_down = torch.cat([incident, sw_down[1:]])
        return lw_up, lw_down, lw_heating, sw_down - net, sw_down, absorbed * rate


@dataclass(frozen=True)
class ResCNNSkyConfig:
    """Size of a :class:`ResCNNSky`."""

    channels: int = 64
    modules: int = 3


class ResCNNSky(DirectSky):
    """The residual convolutional network."""

    def __init__(self, config: ResCNNSkyConfig | None = None) -> None:
        config = config or ResCNNSkyConfig()
        super().__init__(config.channels)
        self.config = asdict(config)
        self.trunk = nn.ModuleList([ResidualModule(config.channels) for _ in range(config.modules)])

    @classmethod
    def from_config(cls, config: dict[str, int]) -> ResCNNSky:
        """A network of the size in ``config``, the fields of :class:`ResCNNSkyConfig`."""
        return cls(ResCNNSkyConfig(**config))

    def run_trunk(self, x: Tensor) -> Tensor:
        """See :meth:`DirectSky.run_trunk`."""
        for module in self.trunk:
            x = module(x)
        return x

    def run_layers(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """See :meth:`DirectSky.run_layers`."""
        if self.use_operators and self.infers_on_cpu(s["features"]):
            weight, bias = self.stem_on_features()
            weight = torch.cat([weight, self.emitter_stem.weight], 1)
            bias = bias + self.emitter_stem.bias
            features = [s["features"], self.describe_emitters(s)]
            modules: list[Tensor] = []
            for module in self.trunk:
                # A module without contexts: none of their weights.
                modules += [torch.zeros(0, weight.shape[0]), torch.zeros(0, 1)]
                modules += [module.convolution.weight, module.convolution.bias, module.mixing.weight, module.mixing.bias]
            head = [self.layer_head.weight, self.layer_head.bias]
            found = torch.ops.radml.column_trunk(features, s["share"], 0.0, weight, bias, modules, head)
            return found[0], found[1]
        x = self.run_trunk(self.scaled_stem(s["features"]) + self.emitter_stem(self.describe_emitters(s)))
        return self.layer_head(x), (x * s["share"]).sum(1)


@dataclass(frozen=True)
class BiRNNSkyConfig:
    """Size of a :class:`BiRNNSky`."""

    channels: int = 32
    """Hidden units of each direction."""


class BiRNNSky(DirectSky):
    """The bidirectional recurrent network: gated recurrent units downward, then upward over what those found."""

    def __init__(self, config: BiRNNSkyConfig | None = None) -> None:
        config = config or BiRNNSkyConfig()
        super().__init__(2 * config.channels)
        self.config = asdict(config)
        self.downward = nn.GRU(2 * config.channels, config.channels)
        self.upward = nn.GRU(3 * config.channels, config.channels)

    @classmethod
    def from_config(cls, config: dict[str, int]) -> BiRNNSky:
        """A network of the size in ``config``, the fields of :class:`BiRNNSkyConfig`."""
        return cls(BiRNNSkyConfig(**config))

    def run_trunk(self, x: Tensor) -> Tensor:
        """See :meth:`DirectSky.run_trunk`."""
        sequence = x.relu().permute(1, 2, 0)
        down = self.downward(sequence)[0]
        up = self.upward(torch.cat([sequence, down], 2).flip(0))[0].flip(0)
        return torch.cat([down, up], 2).permute(2, 0, 1)
