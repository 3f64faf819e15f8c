"""All of radiation in one network: longwave and shortwave, clear and cloudy, by learned optics under exact transfer.

The network gives the optical properties of layers at a few pseudo-spectral points, in the manner of a reduced correlated-k
model (Hogan and Matricardi 2022, ecCKD), and how much each point counts in a column. Fluxes follow from these by the equations
of radiative transfer. So energy closes, night is dark, light is only absorbed, and an isothermal atmosphere is a black body,
whatever the weights; and the number of layers is free.

Clouds are what the points tell apart: a point may see the sky between the clouds, another their cores. Weights of points follow
from cloud cover; and what a layer's cloud does at a point from the clouds around it.

Inside, data lie as (channel, layer, column) with columns innermost, as in :mod:`ftorch_bridge.networks`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor, nn

from ftorch_bridge.networks import ChannelMixing, LayerConvolution, PointNetwork

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

ABSORBERS: Final = 6  # h2o, co2, o3, ch4, n2o, and air for what is the same everywhere
FEATURES: Final = 30
SKY_FEATURES: Final = 7


@dataclass(frozen=True)
class AllSkyConfig:
    """Size of an :class:`AllSky`."""

    channels: int = 32
    modules: int = 2
    contexts: int = 4
    """Channels that each module accumulates from the top down and from the surface up."""
    longwave_points: int = 16
    shortwave_points: int = 16
    skies: int = 4
    """Into how many skies the longwave's points are divided, clear and cloudy; a divisor of their number."""


class ContextModule(nn.Module):
    """x + mixing(relu(convolution(x and what was accumulated above and below)))."""

    def __init__(self, channels: int, contexts: int) -> None:
        super().__init__()
        self.context = ChannelMixing(channels, contexts)
        self.convolution = LayerConvolution(channels + 2 * contexts, channels)
        self.mixing = ChannelMixing(channels, channels, gain=0.5)

    def forward(self, x: Tensor, share: Tensor) -> Tensor:
        """``share`` is the part of the column's mass in each layer (layer, column)."""
        here = self.context(x) * share
        above = torch.cumsum(here, 1)
        below = above[:, -1:] - above + here
        return self.mixing.added_to(x, self.convolution(torch.cat([x, above, below])).relu())


class Optics(nn.Module):
    """Depths of layers at points, all positive: amounts of absorbers times strengths that the state of the layers changes."""

    def __init__(self, channels: int, points: int, kinds: int, bias: Tensor) -> None:
        super().__init__()
        self.head = ChannelMixing(channels, points, gain=0.3)
        self.strength = nn.Parameter(torch.randn(points, kinds) * (1.0 if kinds > 2 else 0.3))
        with torch.no_grad():
            self.head.bias.copy_(bias[:, None])

    def forward(self, x: Tensor, amounts: Tensor) -> Tensor:
        """(point, layer, column) from channels and from ``amounts`` (kind, layer, column)."""
        mixed = torch.mm(self.strength.exp(), amounts.flatten(1)).unflatten(1, [amounts.shape[1], amounts.shape[2]])
        return self.head(x).clamp_max(12.0).exp() * mixed


class AllSky(PointNetwork):
    """Longwave and shortwave radiation of any sky: see the module's text."""

    __constants__ = (*PointNetwork.__constants__, "inputs")
    inputs = INPUTS
    outputs = OUTPUTS

    def __init__(self, config: AllSkyConfig | None = None) -> None:
        super().__init__()
        self.config = asdict(config or AllSkyConfig())
        channels, contexts, skies = self.config["channels"], self.config["contexts"], self.config["skies"]
        longwave, shortwave = self.config["longwave_points"], self.config["shortwave_points"]
        if longwave % skies:
            raise ValueError(f"longwave points: expected a multiple of {skies} skies, got {longwave}")
        self.stem = ChannelMixing(FEATURES, channels)
        self.trunk = nn.ModuleList([ContextModule(channels, contexts) for _ in range(self.config["modules"])])
        # Logarithms of strengths at the start: from transparent to opaque.
        spectrum = torch.linspace(-7.0, 5.0, longwave // skies).repeat(skies)
        self.longwave_gas = Optics(channels, longwave, ABSORBERS, spectrum)
        self.longwave_cloud = Optics(channels, longwave, 2, torch.zeros(longwave))
        self.shortwave_gas = Optics(channels, shortwave, ABSORBERS, torch.linspace(-11.0, 1.0, shortwave))
        self.shortwave_cloud = Optics(channels, shortwave, 2, torch.full((shortwave,), -4.0))
        self.scattering_cloud = Optics(channels, shortwave, 2, torch.zeros(shortwave))
        self.rayleigh = nn.Parameter(torch.full((shortwave, 1), -14.0))
        # Share of the Planck function that each point of a sky emits: a cubic in temperature that sums to one.
        self.planck = nn.Parameter(torch.cat([torch.zeros(1, longwave // skies), 0.05 * torch.randn(3, longwave // skies)]))
        self.sky = ChannelMixing(SKY_FEATURES + channels, 24)
        self.sky_share = ChannelMixing(24, skies, gain=0.1)
        self.sun_share = ChannelMixing(24, shortwave, gain=0.1)
        self.register_buffer("feature_mean", torch.zeros(FEATURES, 1))
        self.register_buffer("feature_scale", torch.ones(FEATURES, 1))
        self.register_buffer("sky_mean", torch.zeros(SKY_FEATURES, 1))
        self.register_buffer("sky_scale", torch.ones(SKY_FEATURES, 1))

    @classmethod
    def from_config(cls, config: dict[str, int]) -> AllSky:
        """A network of the size in ``config``, the fields of :class:`AllSkyConfig`."""
        return cls(AllSkyConfig(**config))

    @torch.no_grad()
    def fit_scaling(self, inputs: list[Tensor]) -> None:
        """Scale the features of these columns, given as to :meth:`forward`, to zero mean and unit variance."""
        features, sky = self.describe(self.single_precision(inputs))
        for values, mean, scale in (
            (features.flatten(1), self.feature_mean, self.feature_scale),
            (sky, self.sky_mean, self.sky_scale),
        ):
            mean.copy_(values.double().mean(1, keepdim=True))
            scale.copy_(1.0 / values.double().std(1, keepdim=True).clamp_min(1e-3))

    def single_precision(self, inputs: list[Tensor]) -> dict[str, Tensor]:
        """Inputs by name, columns innermost, and ``thickness``, the layers' [Pa], which is taken before rounding."""
        s: dict[str, Tensor] = {}
        for i, name in enumerate(self.inputs):
            s[name] = inputs[i].t().float() if inputs[i].dim() == 2 else inputs[i].float()
        s["thickness"] = (inputs[0][:, 1:] - inputs[0][:, :-1]).t().float()
        return s

    def describe(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features (feature, layer, column) of layers and (feature, column) of columns.

        ``s`` is that of :meth:`single_precision`.
        """
        thickness, fraction = s["thickness"], s["cloud_fraction"]
        water, ozone = s["h2o"] * thickness, s["o3"] * thickness
        water_above, ozone_above = torch.cumsum(water, 0), torch.cumsum(ozone, 0)
        water_below = water_above[-1:] - water_above + water
        liquid, ice = s["cloud_liquid_path"], s["cloud_ice_path"]
        liquid_above, ice_above = torch.cumsum(fraction * liquid, 0), torch.cumsum(fraction * ice, 0)
        # The sky seen from above a layer and from below it, with maximum-random overlap.
        cover = fraction.clamp_max(0.9999)
        none = torch.zeros_like(cover[:1])
        upper, lower = torch.cat([none, cover[:-1]]), torch.cat([cover[1:], none])
        clear_above = torch.cumsum(torch.log1p(-torch.maximum(cover, upper)) - torch.log1p(-upper), 0).exp()
        steps = torch.log1p(-torch.maximum(cover, lower)) - torch.log1p(-lower)
        total = torch.cumsum(steps, 0)
        clear_below = (total[-1:] - total + steps).exp()
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
            ]
        )
        sky = torch.stack(
            [
                1.0 - clear_above[-1],
                cosine,
                albedo,
                torch.log1p(liquid_above[-1] * 200.0),
                torch.log1p(ice_above[-1] * 200.0),
                1.0 / cosine,
                fraction.amax(0),
            ]
        )
        return torch.cat([logarithms.clamp_min_(1e-12).log_(), plain]), sky

    def sky_emission(self, temperature: Tensor, skies: Tensor) -> Tensor:
        """Planck emission pi*B of each point [W m-2] (point, ...) at ``temperature`` [K] (..., column).

        ``skies`` (sky, column) is how much of the sky each of them is.
        """
        emission = self.planck_emission(temperature)
        if temperature.dim() == 1:
            return (skies[:, None] * emission).flatten(0, 1)
        return (skies[:, None, None] * emission).flatten(0, 1)

    def longwave(self, depth: Tensor, skies: Tensor, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Fluxes up and down (level, column) and what layers absorb (layer, column) [W m-2] from depths (point, layer, column).

        Without scattering; the source is linear in optical depth.
        """
        absorption = -torch.expm1(-depth)
        transmission = 1.0 - absorption
        edge = depth / (depth + self.half_depth)
        planck_layer = self.sky_emission(s["temperature_layer"], skies)
        planck_level = self.sky_emission(s["temperature_level"], skies)
        emission_down = absorption * torch.lerp(planck_layer, planck_level[:, 1:], edge)
        emission_up = absorption * torch.lerp(planck_layer, planck_level[:, :-1], edge)

        transmissions = transmission.unbind(1)
        emissions = emission_down.unbind(1)
        layers = len(emissions)
        flux = torch.zeros_like(planck_level[:, 0])
        down = [flux]
        for layer in range(layers):
            flux = torch.addcmul(emissions[layer], transmissions[layer], flux)
            down.append(flux)
        emissivity = s["surface_emissivity"]
        flux = (1.0 - emissivity) * flux + emissivity * self.sky_emission(s["surface_temperature"], skies)
        up = [flux]
        emissions = emission_up.unbind(1)
        for step in range(layers):
            layer = layers - 1 - step
            flux = torch.addcmul(emissions[layer], transmissions[layer], flux)
            up.append(flux)
        up.reverse()
        upward, downward = torch.stack(up, 1), torch.stack(down, 1)
        # What a layer absorbs less what it emits: no difference of large fluxes, which would drown thin layers in rounding.
        absorbed = (absorption * (downward[:, :-1] + upward[:, 1:]) - emission_down - emission_up).sum(0)
        return upward.sum(0), downward.sum(0), absorbed

    def shortwave(
        self, absorbing: Tensor, scattering: Tensor, incident: Tensor, s: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same of sunlight, from depths of absorption and of scattering and what comes in (point, column) [W m-2].

        Layers scatter as much forward as backward: depths are those after similarity scaling. Diffuse light follows from two
        streams (Meador and Weaver 1980, with the coefficients of the practical improved flux method), the beam's scattered
        light from where in the layer it was scattered on average; layers are added up (Lacis and Hansen 1974). Nothing is a
        difference of like numbers.
        """
        cosine = s["cos_zenith"].clamp_min(0.01)
        depth = absorbing + scattering
        slant = depth / cosine
        beam_transmission = (-slant).exp()
        stopped = -torch.expm1(-slant)
        backward = 0.75 * scattering
        extinction = 2.0 * absorbing + backward
        k = (absorbing * (4.0 * absorbing + 3.0 * scattering)).sqrt()
        passing = (-k).exp()
        lost, lost_twice = -torch.expm1(-k), -torch.expm1(-2.0 * k)
        inverse = 1.0 / (k * (1.0 + passing * passing) + extinction * lost_twice)
        reflectance = backward * lost_twice * inverse
        transmittance = 2.0 * k * passing * inverse
        # A uniform source in the layer leaves it like thermal emission does, by Kirchhoff's law.
        escaping = (k / (2.0 * absorbing) * lost * lost + lost_twice) * inverse
        absorptance = 2.0 * absorbing * escaping
        scattered = stopped * scattering / depth
        # Mean place of scattering, 1/x - 1/(exp(x) - 1), within 2 %.
        place = (6.0 + slant) / (12.0 + slant * (4.0 + slant))
        upward_part = (0.5 + backward * (1.0 - place)) / (1.0 + backward)
        leaving = scattered * escaping
        beam_up = leaving * upward_part
        beam_down = leaving - beam_up
        beam_kept = stopped * absorbing / depth + scattered * (1.0 - escaping)

        beam = incident
        beams = [beam]
        for transmission in beam_transmission.unbind(1):
            beam = beam * transmission
            beams.append(beam)
        stacked = torch.stack(beams, 1)
        sources_up = (beam_up * stacked[:, :-1]).unbind(1)
        sources_down = (beam_down * stacked[:, :-1]).unbind(1)
        reflectances, transmittances = reflectance.unbind(1), transmittance.unbind(1)
        layers = len(reflectances)
        albedo = s["surface_albedo"].expand_as(incident)
        source = albedo * beam
        albedos, sources, gains = [albedo], [source], [albedo]
        for step in range(layers):
            layer = layers - 1 - step
            gain = 1.0 / (1.0 - reflectances[layer] * albedo)
            through = gain * transmittances[layer]
            source = sources_up[layer] + through * torch.addcmul(source, albedo, sources_down[layer])
            albedo = torch.addcmul(reflectances[layer], through * transmittances[layer], albedo)
            albedos.append(albedo)
            sources.append(source)
            gains.append(gain)
        diffuse = torch.zeros_like(incident)
        down, up = [diffuse], [source]
        for layer in range(layers):
            source = sources[layers - 1 - layer]
            diffuse = gains[layers - layer] * (
                torch.addcmul(sources_down[layer], transmittances[layer], diffuse) + reflectances[layer] * source
            )
            down.append(diffuse)
            up.append(torch.addcmul(source, albedos[layers - 1 - layer], diffuse))
        upward, downward = torch.stack(up, 1), torch.stack(down, 1)
        absorbed = absorptance * (downward[:, :-1] + upward[:, 1:]) + beam_kept * stacked[:, :-1]
        return upward.sum(0), (downward + stacked).sum(0), absorbed.sum(0)

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
        kind = pressure_level.dtype
        s = self.single_precision(
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
        thickness = s["thickness"]
        x, sky = self.describe(s)
        x = self.scaled_stem(x)
        share = thickness / s["pressure_level"][-1]
        for module in self.trunk:
            x = module(x, 5.0 * share)
        summary = torch.cat([(sky - self.sky_mean) * self.sky_scale, (x * share).sum(1)])
        hidden = self.sky(summary[:, None]).relu()
        skies = self.sky_share(hidden)[:, 0].softmax(0)
        suns = self.sun_share(hidden)[:, 0].softmax(0)

        amounts = torch.stack(
            [
                s["h2o"] * 1e-1,
                s["co2"],
                s["o3"] * 1e2,
                s["ch4"] * 1e2,
                s["n2o"] * 1e2,
                torch.full_like(thickness, 1e-5),
            ]
        )
        amounts *= thickness
        covered = s["cloud_fraction"] * 50.0
        clouds = torch.stack(
            [
                covered * s["cloud_liquid_path"] * (1e-5 / s["liquid_radius"]),
                covered * s["cloud_ice_path"] * (3e-5 / s["ice_radius"]),
            ]
        )
        lw_up, lw_down, lw_absorbed = self.longwave(self.longwave_gas(x, amounts) + self.longwave_cloud(x, clouds), skies, s)
        # The least depths keep quotients of them defined.
        absorbing = self.shortwave_gas(x, amounts) + self.shortwave_cloud(x, clouds) + 1e-12
        scattering = self.rayleigh.exp()[:, :, None] * thickness + self.scattering_cloud(x, clouds) + 1e-12
        incident = suns * (cos_zenith.clamp_min(0.0) * solar_irradiance).float()
        sw_up, sw_down, sw_absorbed = self.shortwave(absorbing, scattering, incident, s)
        rate = self.heating_factor / thickness
        return (
            lw_up.t().to(kind),
            lw_down.t().to(kind),
            (lw_absorbed * rate).t().to(kind),
            sw_up.t().to(kind),
            sw_down.t().to(kind),
            (sw_absorbed * rate).t().to(kind),
        )
