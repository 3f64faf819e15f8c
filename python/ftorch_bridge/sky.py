"""What networks of all of radiation see of a column: inputs by name, features of its layers and of its sky."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from ftorch_bridge.clouds import NO_CRYSTALS, NO_DROPLETS
from ftorch_bridge.networks import RadiationNetwork
from ftorch_bridge.transfer import operators_available

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
    "cloud_fraction",
    "cloud_liquid_path",
    "cloud_ice_path",
    "liquid_radius",
    "ice_radius",
    "surface_temperature",
    "surface_emissivity",
    "surface_albedo",
    "cos_zenith",
    "solar_irradiance",
)
OUTPUTS: Final = ("lw_up", "lw_down", "lw_heating_rate", "sw_up", "sw_down", "sw_heating_rate")

FEATURES: Final = 31
CLOUD_FRACTION: Final = 13
"""Which feature of layers it is."""
SMALLNESS: Final = 19
"""The first of two features of layers: inverse radii of droplets and crystals."""
CLOUDED: Final = 30
"""Which feature of layers is the cloudy part of the sky."""
CLOUD_FEATURES: Final = 7
SUN_FEATURES: Final = 8
SKY_FEATURES: Final = CLOUD_FEATURES + SUN_FEATURES


class SkyNetwork(RadiationNetwork):
    """A network of all of radiation, longwave and shortwave under any sky: its inputs, outputs and features.

    Inside, data lie as (channel, layer, column) with columns innermost, as in :mod:`ftorch_bridge.networks`.
    """

    __constants__ = (
        *RadiationNetwork.__constants__,
        "inputs",
        "described",
        "described_surface",
        "use_operators",
        "radius_without_liquid",
        "radius_without_ice",
    )
    radius_without_liquid = NO_DROPLETS
    radius_without_ice = NO_CRYSTALS
    inputs = INPUTS
    outputs = OUTPUTS
    described = (
        "features",
        "sky",
        "share",
        "thickness",
        "pressure_layer",
        "temperature_layer",
        "temperature_level",
        "amounts",
        "ozone",
        "clouds",
    )
    described_surface = ("surface_temperature", "surface_emissivity", "surface_albedo", "cos_zenith", "incident")

    def __init__(self) -> None:
        super().__init__()
        self.use_operators: bool = operators_available()
        """Whether libradml's operators are used on a CPU. Transfer is differentiable for weights with them, without them for
        the state, too."""
        self.register_buffer("feature_mean", torch.zeros(FEATURES, 1))
        self.register_buffer("feature_scale", torch.ones(FEATURES, 1))
        self.register_buffer("sky_mean", torch.zeros(SKY_FEATURES, 1))
        self.register_buffer("sky_scale", torch.ones(SKY_FEATURES, 1))

    @torch.no_grad()
    def fit_scaling(self, inputs: list[Tensor]) -> None:
        """Scale the features of these columns, given as to :meth:`forward`, to zero mean and unit variance."""
        s = self.describe(inputs)
        for values, mean, scale in (
            (s["features"].flatten(1), self.feature_mean, self.feature_scale),
            (s["sky"], self.sky_mean, self.sky_scale),
        ):
            mean.copy_(values.double().mean(1, keepdim=True))
            scale.copy_(1.0 / values.double().std(1, keepdim=True).clamp_min(1e-3))

    def operators_serve(self, inputs: list[Tensor]) -> bool:
        """Whether an operator without derivatives may take these: they are on a CPU and nobody asks for derivatives by them."""
        asked = torch.is_grad_enabled() and any([tensor.requires_grad for tensor in inputs])
        return self.use_operators and not inputs[0].is_cuda and not asked

    def infers_on_cpu(self, tensor: Tensor) -> bool:
        """Whether this is a forward without derivatives on a CPU, which every operator serves."""
        return not tensor.is_cuda and not torch.is_grad_enabled()

    def describe(self, inputs: list[Tensor]) -> dict[str, Tensor]:
        """What the network sees of columns, in single precision with columns innermost, from inputs as of :meth:`forward`.

        ``features`` (feature, layer, column) of layers; ``sky`` (feature, column), of clouds and then of the Sun's spectrum;
        ``thickness`` [Pa] of layers, taken before rounding, and their ``share`` of the column's mass; ``amounts`` of absorbers,
        ``ozone`` and ``clouds`` (kind, layer, column); ``incident`` sunlight at the top [W m-2]; and of the inputs
        ``pressure_layer``, ``temperature_layer``, ``temperature_level`` and those of the surface.
        """
        if self.operators_serve(inputs):
            found = torch.ops.radml.describe_sky(inputs)
            s: dict[str, Tensor] = {}
            for i, name in enumerate(self.described):
                s[name] = found[i]
            for i, name in enumerate(self.described_surface):
                s[name] = found[len(self.described)][i]
            return s
        return self.describe_by_equations(inputs)

    def describe_by_equations(self, inputs: list[Tensor]) -> dict[str, Tensor]:
        """The same by PyTorch's operations: differentiable, and the reference."""
        s: dict[str, Tensor] = {}
        for i, name in enumerate(self.inputs):
            s[name] = inputs[i].t().float() if inputs[i].dim() == 2 else inputs[i].float()
        s["thickness"] = (inputs[0][:, 1:] - inputs[0][:, :-1]).t().float()
        s["share"] = s["thickness"] / s["pressure_level"][-1]
        # The product is taken before rounding: what comes in at the top is exact.
        s["incident"] = (inputs[17].clamp_min(0.0) * inputs[18]).float()
        thickness, fraction = s["thickness"], s["cloud_fraction"]
        # What is said of clouds where there is none is not to be seen.
        liquid = s["cloud_liquid_path"].masked_fill(fraction <= 0.0, 0.0)
        ice = s["cloud_ice_path"].masked_fill(fraction <= 0.0, 0.0)
        s["liquid_radius"] = s["liquid_radius"].masked_fill(liquid <= 0.0, self.radius_without_liquid)
        s["ice_radius"] = s["ice_radius"].masked_fill(ice <= 0.0, self.radius_without_ice)
        water, ozone = s["h2o"] * thickness, s["o3"] * thickness
        water_above, ozone_above = torch.cumsum(water, 0), torch.cumsum(ozone, 0)
        water_below = water_above[-1:] - water_above + water
        liquid_above, ice_above = torch.cumsum(fraction * liquid, 0), torch.cumsum(fraction * ice, 0)
        # The sky seen from above a layer and from below it, with maximum-random overlap.
        cover = fraction.clamp_max(0.9999)
        none = torch.zeros_like(cover[:1])
        upper, lower = torch.cat([none, cover[:-1]]), torch.cat([cover[1:], none])
        clear_above = torch.cumsum(torch.log1p(-torch.maximum(cover, upper)) - torch.log1p(-upper), 0).exp()
        steps = torch.log1p(-torch.maximum(cover, lower)) - torch.log1p(-lower)
        total = torch.cumsum(steps, 0)
        clear_below = (total[-1:] - total + steps).exp()
        clouded = 1.0 - clear_above[-1]
        warm = s["temperature_layer"] * 0.01 - 2.5
        cosine, albedo = s["cos_zenith"].clamp_min(0.02), s["surface_albedo"]
        everywhere = torch.ones_like(thickness)
        logarithms = torch.stack(
            [
                s["pressure_layer"],
                s["h2o"],
                s["o3"],
                s["co2"],
                s["ch4"],
                s["n2o"],
                water_above,
                ozone_above,
                water_below,
                thickness,
            ]
        )
        plain = torch.stack(
            [
                warm,
                warm * warm,
                s["h2o"] * 100.0,
                fraction,
                (fraction > 0.0).float(),
                (liquid / thickness * 1e4).sqrt().sqrt(),
                (ice / thickness * 1e4).sqrt().sqrt(),
                torch.log1p(liquid * 200.0),
                torch.log1p(ice * 200.0),
                1e-5 / s["liquid_radius"],
                3e-5 / s["ice_radius"],
                1.0 - clear_above,
                1.0 - clear_below,
                torch.log1p(liquid_above * 200.0),
                torch.log1p(ice_above * 200.0),
                torch.log1p((liquid_above[-1:] - liquid_above) * 200.0),
                torch.log1p((ice_above[-1:] - ice_above) * 200.0),
                cosine * everywhere,
                cosine.log() * everywhere,
                albedo * everywhere,
                clouded * everywhere,
            ]
        )
        sky = torch.stack(
            [
                clouded,
                cosine,
                albedo,
                torch.log1p(liquid_above[-1] * 200.0),
                torch.log1p(ice_above[-1] * 200.0),
                1.0 / cosine,
                fraction.amax(0),
            ]
        )
        s["features"] = torch.cat([logarithms.clamp_min_(1e-12).log_(), plain])
        s["sky"] = torch.cat([sky, self.describe_sun(s)])
        amounts = torch.stack(
            [
                s["h2o"] * 1e-1,
                s["co2"],
                s["ch4"] * 1e2,
                s["n2o"] * 1e2,
                torch.full_like(thickness, 1e-5),
                s["o3"] * 1e2,
            ]
        )
        s["amounts"] = amounts * thickness
        # Ozone once more as it is warmer.
        o3 = s["amounts"][5]
        s["ozone"] = torch.stack([o3, o3 * (s["temperature_layer"] * 0.004) ** 4])
        covered = fraction * (50.0 / clouded.clamp_min(0.01))  # in the cloudy part of the sky
        s["clouds"] = torch.stack([covered * liquid * (1e-5 / s["liquid_radius"]), covered * ice * (3e-5 / s["ice_radius"])])
        return s

    def describe_sun(self, s: dict[str, Tensor]) -> Tensor:
        """Logarithms of gases (feature, column) that the spectrum of sunlight follows.

        RRTMG spreads the sunlight of a band over its g-points by the mixture of gases in one layer: ozone at the top (band 28),
        water vapour at about 3 hPa (17) and at levels of the troposphere (18, 19, 21, 22, 24).
        """
        pressure, surface = s["pressure_layer"], s["pressure_level"][-1]
        logarithm, water = pressure.log(), s["h2o"].clamp_min(1e-12).log()
        features = [s["o3"][0].clamp_min(1e-12).log(), s["co2"][0].clamp_min(1e-12).log(), s["ch4"][0].clamp_min(1e-12).log()]
        for level in (320.0, 26000.0, 39000.0, 70000.0, 95000.0):
            distance = (logarithm - surface.clamp_max(level).log()) * 6.0
            near = (-distance * distance).exp() + 1e-6 * pressure / surface
            features.append((near * water).sum(0) / near.sum(0))
        return torch.stack(features)

    def run(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What :meth:`forward` gives, (level, column) and (layer, column), for inputs as it has them."""
        return self.radiate(self.describe(inputs))

    def radiate(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What :meth:`forward` gives, (level, column) and (layer, column), for columns as of :meth:`describe`."""
        raise NotImplementedError

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
        cloud_fraction: Tensor,
        cloud_liquid_path: Tensor,
        cloud_ice_path: Tensor,
        liquid_radius: Tensor,
        ice_radius: Tensor,
        surface_temperature: Tensor,
        surface_emissivity: Tensor,
        surface_albedo: Tensor,
        cos_zenith: Tensor,
        solar_irradiance: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Fluxes [W m-2] (column, layer+1) and heating rates [K day-1] (column, layer), longwave and shortwave.

        ``lw_up``, ``lw_down``, ``lw_heating_rate``, ``sw_up``, ``sw_down``, ``sw_heating_rate``. Inputs are the column file's
        variables in its units, (column, layer+1), (column, layer) and (column,), from the top down. Outputs have the kind of
        ``pressure_level``.
        """
        lw_up, lw_down, lw_heating, sw_up, sw_down, sw_heating = self.run(
            [
                pressure_level,
                temperature_level,
                pressure_layer,
                temperature_layer,
                h2o,
                o3,
                co2,
                ch4,
                n2o,
                cloud_fraction,
                cloud_liquid_path,
                cloud_ice_path,
                liquid_radius,
                ice_radius,
                surface_temperature,
                surface_emissivity,
                surface_albedo,
                cos_zenith,
                solar_irradiance,
            ]
        )
        kind = pressure_level.dtype
        return (
            lw_up.t().to(kind),
            lw_down.t().to(kind),
            lw_heating.t().to(kind),
            sw_up.t().to(kind),
            sw_down.t().to(kind),
            sw_heating.t().to(kind),
        )
