"""Networks that replace a radiation scheme: physical units in, fluxes and heating rates out.

Inside, data lie as (channel, layer, column) with columns innermost: that is the host's own order, a convolution over
layers is then a few matrix products over shifted views, and nothing is transposed on the way in or out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor, nn

STEFAN_BOLTZMANN: Final = 5.670400e-8  # W m-2 K-4, as in RRTMG
HEATING_FACTOR: Final = 9.8066 * 86400.0 / 1004.64  # K day-1 for one W m-2 absorbed in one Pa, as in RRTMG

INPUTS: Final = (
    "pressure_level",
    "temperature_level",
    "pressure_layer",
    "temperature_layer",
    "h2o",
    "o3",
    "co2",
    "ch4",
    "n2o",
    "surface_temperature",
    "surface_emissivity",
)
OUTPUTS: Final = ("lw_up", "lw_down", "lw_heating_rate")


@dataclass(frozen=True)
class ResCNNConfig:
    """Size of a :class:`ResCNN`."""

    channels: int = 16
    modules: int = 3
    points: int = 16
    """Number of pseudo-spectral points, each a monochromatic stream."""


class LayerConvolution(nn.Module):
    """Convolution over layers with a window of three, on (channel, layer, column), zero beyond both ends."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, outputs, inputs) * (2.0 / (3 * inputs)) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        layers, columns = x.shape[1], x.shape[2]
        size = layers * columns
        beyond = torch.zeros_like(x[:, :1])
        padded = torch.cat([beyond, x, beyond], 1).flatten(1)  # pad() would fill the middle as well
        # In place, since TorchScript takes addmm apart into a product and a sum, each with its pass over memory.
        y = torch.mm(self.weight[0], padded[:, :size])
        y.addmm_(self.weight[1], padded[:, columns : columns + size])
        y.addmm_(self.weight[2], padded[:, 2 * columns :])
        return y.add_(self.bias).unflatten(1, [layers, columns])


class ChannelMixing(nn.Module):
    """The same linear map of channels in every layer: a convolution with a window of one."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * gain * (1.0 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.mm(self.weight, x.flatten(1)).add_(self.bias).unflatten(1, [x.shape[1], x.shape[2]])

    def added_to(self, base: Tensor, x: Tensor) -> Tensor:
        """``base`` plus the map of ``x``, in one pass over memory less than the sum of the two."""
        return torch.add(base.flatten(1), self.bias).addmm_(self.weight, x.flatten(1)).unflatten(1, [x.shape[1], x.shape[2]])


class ResidualModule(nn.Module):
    """x + mixing(relu(convolution(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = LayerConvolution(channels, channels)
        self.mixing = ChannelMixing(channels, channels, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.mixing.added_to(x, self.convolution(x).relu_())


class RadiationNetwork(nn.Module):
    """What radiation networks share: constants, and the stem on scaled features.

    They have a ``stem``, ``feature_mean`` and ``feature_scale`` (feature, 1).
    """

    __constants__ = ("stefan_boltzmann", "heating_factor", "half_depth")  # TorchScript takes constants from the class only
    stefan_boltzmann = STEFAN_BOLTZMANN
    heating_factor = HEATING_FACTOR
    half_depth = 1.0 / 0.278  # of the Pade form of the source that is linear in optical depth (Clough et al. 1992)

    def stem_on_features(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the stem on features as they are: scaling its weights is scaling the features, without a pass."""
        weight = self.stem.weight * self.feature_scale.t()
        return weight, self.stem.bias - torch.mm(weight, self.feature_mean)

    def scaled_stem(self, x: Tensor) -> Tensor:
        """The stem on scaled features."""
        weight, bias = self.stem_on_features()
        return torch.mm(weight, x.flatten(1)).add_(bias).unflatten(1, [x.shape[1], x.shape[2]])


class ResCNN(RadiationNetwork):
    """Clear-sky longwave radiation: a residual convolutional network of optical depths under exact transfer.

    Residual modules turn the state of the layers into optical depths at a few pseudo-spectral points, in the manner of a
    reduced correlated-k model (Hogan and Matricardi 2022, ecCKD). Fluxes then follow from the no-scattering equations with
    a source linear in optical depth, as RRTMG solves them (Clough et al. 1992), and heating is what layers absorb minus
    what they emit. Energy is therefore conserved by construction, and the number of layers is free.
    """

    features = 13
    inputs = INPUTS
    outputs = OUTPUTS

    def __init__(self, config: ResCNNConfig | None = None) -> None:
        super().__init__()
        self.config = asdict(config or ResCNNConfig())
        channels, points = self.config["channels"], self.config["points"]
        self.stem = ChannelMixing(self.features, channels)
        self.trunk = nn.ModuleList([ResidualModule(channels) for _ in range(self.config["modules"])])
        self.head = ChannelMixing(channels, points, gain=0.3)
        # Log of the absorption per Pa at the start: spread from transparent to opaque.
        with torch.no_grad():
            self.head.bias.copy_(torch.linspace(-16.0, -3.0, points)[:, None])
        # Share of the Planck function that each point emits: a cubic in temperature that sums to one.
        self.planck = nn.Parameter(torch.cat([torch.zeros(1, points), 0.05 * torch.randn(3, points)]))
        self.register_buffer("feature_mean", torch.zeros(self.features, 1))
        self.register_buffer("feature_scale", torch.ones(self.features, 1))

    @classmethod
    def from_config(cls, config: dict[str, int]) -> ResCNN:
        """A network of the size in ``config``, the fields of :class:`ResCNNConfig`."""
        return cls(ResCNNConfig(**config))

    def set_scaling(self, mean: Tensor, scale: Tensor) -> None:
        """Scaling of the features, ``(features,)`` each: (feature - mean) * scale enters the stem."""
        self.feature_mean.copy_(mean[:, None])
        self.feature_scale.copy_(scale[:, None])

    @torch.no_grad()
    def fit_scaling(self, *grids: list[Tensor]) -> None:
        """Scale the features to zero mean and unit variance over these columns, given as to :meth:`forward`, grid by grid."""
        sums = torch.zeros(2, self.features, dtype=torch.float64)
        count = 0
        for inputs in grids:
            named = dict(zip(INPUTS, inputs, strict=True))
            thickness = (named["pressure_level"][:, 1:] - named["pressure_level"][:, :-1]).t().float()
            state = [named[name].t().float() for name in ("pressure_layer", "temperature_layer", *INPUTS[4:9])]
            features = self.describe_layers(thickness, *state).double().flatten(1)
            sums += torch.stack([features.sum(1), (features**2).sum(1)])
            count += features.shape[1]
        mean = sums[0] / count
        deviation = (sums[1] / count - mean**2).sqrt()
        self.set_scaling(mean.float(), (1.0 / deviation).float())

    def describe_layers(
        self,
        thickness: Tensor,
        pressure_layer: Tensor,
        temperature_layer: Tensor,
        h2o: Tensor,
        o3: Tensor,
        co2: Tensor,
        ch4: Tensor,
        n2o: Tensor,
    ) -> Tensor:
        """Features (feature, layer, column) of layers from single-precision (layer, column) state; ``thickness`` in Pa."""
        water, ozone = h2o * thickness, o3 * thickness
        water_above, ozone_above = torch.cumsum(water, 0), torch.cumsum(ozone, 0)
        water_below = water_above[-1:] - water_above + water
        warm = temperature_layer * 0.01 - 2.5
        x = torch.stack(
            [
                pressure_layer,
                h2o,
                o3,
                co2,
                ch4,
                n2o,
                water_above,
                ozone_above,
                water_below,
                thickness,
                warm,
                warm * warm,
                h2o * 100.0,
            ]
        )
        x[:10].clamp_min_(1e-12).log_()
        return x

    def planck_emission(self, temperature: Tensor) -> Tensor:
        """Planck emission pi*B of each point [W m-2] (point, ...) at ``temperature`` [K] (...)."""
        shares = torch.cat([self.planck[:1].softmax(1), self.planck[1:] - self.planck[1:].mean(1, keepdim=True)])
        warm = temperature * 0.01 - 2.5
        total = self.stefan_boltzmann * (temperature * temperature) ** 2
        first = total * warm
        second = first * warm
        basis = torch.stack([total, first, second, second * warm]).flatten(1)
        return torch.mm(shares.t(), basis).unflatten(1, temperature.shape)

    def forward(
        self,
        pressure_level: Tensor,
        temperature_level: Tensor,
        pressure_layer: Tensor,
        temperature_layer: Tensor,
        h2o: Tensor,
        o3: Tensor,
        co2: Tensor,
        ch4: Tensor,
        n2o: Tensor,
        surface_temperature: Tensor,
        surface_emissivity: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fluxes ``lw_up``, ``lw_down`` [W m-2] (column, layer+1) and ``lw_heating_rate`` [K day-1] (column, layer).

        Pressures in Pa, temperatures in K, gases in mol mol-1 of dry air; (column, layer) and (column, layer+1) from the top
        down, surface arrays (column,). Outputs have the kind of ``pressure_level``.
        """
        kind = pressure_level.dtype
        # Differences of pressure are taken before rounding to single precision.
        thickness = (pressure_level[:, 1:] - pressure_level[:, :-1]).t().float()
        layer_temperature = temperature_layer.t().float()
        x = self.describe_layers(
            thickness,
            pressure_layer.t().float(),
            layer_temperature,
            h2o.t().float(),
            o3.t().float(),
            co2.t().float(),
            ch4.t().float(),
            n2o.t().float(),
        )
        x = self.scaled_stem(x)
        for module in self.trunk:
            x = module(x)

        # From here on optical depth (along the diffuse path), absorption, emission and fluxes carry a minus sign: every
        # combination is then a plain sum or product. The source is linear in optical depth; ``edge`` is the weight of the
        # level that the radiation leaves through.
        depth = self.head(x).clamp_max_(6.0).exp_() * -thickness
        absorption = torch.expm1(depth)
        transmission = 1.0 + absorption
        edge = depth / (depth - self.half_depth)
        planck_layer = self.planck_emission(layer_temperature)
        planck_level = self.planck_emission(temperature_level.t().float())
        emission_down = absorption * torch.lerp(planck_layer, planck_level[:, 1:], edge)
        emission_up = absorption * torch.lerp(planck_layer, planck_level[:, :-1], edge)

        transmissions = transmission.unbind(1)
        flux = torch.zeros_like(planck_level[:, 0])
        down = [flux]
        for layer, emission in enumerate(emission_down.unbind(1)):
            flux = torch.addcmul(emission, transmissions[layer], flux)
            down.append(flux)
        emissivity = surface_emissivity.float()
        flux = (1.0 - emissivity) * flux - emissivity * self.planck_emission(surface_temperature.float())
        up = [flux]
        emissions = emission_up.unbind(1)
        layers = len(emissions)
        for step in range(layers):
            layer = layers - 1 - step
            flux = torch.addcmul(emissions[layer], transmissions[layer], flux)
            up.append(flux)
        up.reverse()
        upward, downward = torch.stack(up, 1), torch.stack(down, 1)

        # What a layer absorbs minus what it emits: no difference of large fluxes, which would drown thin layers in rounding.
        heating = torch.addcmul(emission_down + emission_up, absorption, downward[:, :-1] + upward[:, 1:]).sum(0)
        heating = heating * (self.heating_factor / thickness)
        return (-upward.sum(0)).t().to(kind), (-downward.sum(0)).t().to(kind), heating.t().to(kind)
