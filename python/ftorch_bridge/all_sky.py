"""All of radiation in one network: longwave and shortwave, clear and cloudy, by learned optics under exact transfer.

The network gives the optical properties of layers at a few pseudo-spectral points, in the manner of a reduced correlated-k
model (Hogan and Matricardi 2022, ecCKD), and how much each point counts in a column. Fluxes follow from these by the equations
of radiative transfer. So energy closes, night is dark, light is only absorbed, and an isothermal atmosphere is a black body,
whatever the weights; and the number of layers is free.

Some points see the sky between the clouds: their weight is the clear part of the sky, which follows from how clouds overlap.
The others share the cloudy part, thin clouds and thick ones, in shares that the network gives, and what a layer's cloud does at
such a point follows from the clouds around it. A few common points, of light that is absorbed above most clouds, see both.

Inside, data lie as (channel, layer, column) with columns innermost, as in :mod:`ftorch_bridge.networks`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor, nn

from ftorch_bridge.cloud_bands import CLOUD_BANDS, CLOUD_TESTS, TABLE, clouds_in_bands
from ftorch_bridge.networks import ChannelMixing, LayerConvolution
from ftorch_bridge.sky import (
    CLOUD_FEATURES,
    CLOUD_FRACTION,
    CLOUDED,
    FEATURES,
    SKY_FEATURES,
    SMALLNESS,
    SUN_FEATURES,
    SkyNetwork,
)

ABSORBERS: Final = 6  # h2o, co2, ch4, n2o, air for what is the same everywhere, and o3


@dataclass(frozen=True)
class AllSkyConfig:
    """Size of an :class:`AllSky`."""

    channels: int = 32
    modules: int = 2
    contexts: int = 4
    """Channels that each module accumulates from the top down and from the surface up."""
    longwave_common: int = 30
    """Points of the longwave that see one sky, clear and cloudy parts together: strong absorbers."""
    longwave_points: int = 3
    """Further points, in each of the :attr:`skies`."""
    skies: int = 3
    """Skies of the longwave, of which the first is clear."""
    shortwave_common: int = 10
    """Points of the shortwave that see one sky."""
    shortwave_clear: int = 4
    """Points that see the clear part of the sky."""
    shortwave_cloudy: int = 12
    """Points that share the cloudy part."""
    hidden: int = 48
    """Hidden units between the sky and the shares of cloudy points."""


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


def depths(strength: Tensor, amounts: Tensor) -> Tensor:
    """Depths (point, layer, column) of ``amounts`` (kind, layer, column) with ``strength`` (point, kind)."""
    return torch.mm(strength, amounts.flatten(1)).unflatten(1, [amounts.shape[1], amounts.shape[2]])


def with_clouds(gases: Tensor, clouds: Tensor) -> Tensor:
    """Depths of gases (point, layer, column) and of clouds, at the last points alone: the first ones see the clear sky."""
    clear = gases.shape[0] - clouds.shape[0]
    return torch.cat([gases[:clear], gases[clear:] + clouds])


class Optics(nn.Module):
    """Depths of layers at points, all positive: amounts of absorbers times strengths that the state of the layers changes."""

    def __init__(self, channels: int, kinds: int, bias: Tensor) -> None:
        """``bias`` (point,): logarithms of strengths at the start."""
        super().__init__()
        points = len(bias)
        self.head = ChannelMixing(channels, points, gain=0.3)
        self.strength = nn.Parameter(torch.randn(points, kinds) * (1.0 if kinds > 2 else 0.3))
        with torch.no_grad():
            self.head.bias.copy_(bias[:, None])

    def forward(self, x: Tensor, amounts: Tensor) -> Tensor:
        """(point, layer, column) from channels ``x`` (channel, layer, column) and from ``amounts`` (kind, layer, column)."""
        return self.head(x).clamp_max(12.0).exp() * depths(self.strength.exp(), amounts)

    def weights(self) -> list[Tensor]:
        """Weight and bias of the head, and the strengths (point, kind), as libradml takes them."""
        return [self.head.weight, self.head.bias, self.strength.exp()]


class AllSky(SkyNetwork):
    """Longwave and shortwave radiation of any sky: see the module's text."""

    __constants__ = (
        *SkyNetwork.__constants__,
        "longwave_common",
        "context_scale",
        "cloud_features",
        "smallness",
        "cloud_fraction",
        "clouded",
    )
    cloud_features = CLOUD_FEATURES
    cloud_fraction, clouded, smallness = CLOUD_FRACTION, CLOUDED, SMALLNESS
    context_scale = 5.0  # of a layer's share of the mass, where modules accumulate

    def __init__(self, config: AllSkyConfig | None = None) -> None:
        super().__init__()
        self.config = asdict(config or AllSkyConfig())
        self.longwave_common: int = self.config["longwave_common"]
        channels, contexts, skies = self.config["channels"], self.config["contexts"], self.config["skies"]
        common, per_sky = self.longwave_common, self.config["longwave_points"]
        self.stem = ChannelMixing(FEATURES, channels)
        self.cloud_stem = nn.Parameter(0.1 * torch.randn(channels, CLOUD_TESTS))
        self.trunk = nn.ModuleList([ContextModule(channels, contexts) for _ in range(self.config["modules"])])
        # Logarithms of strengths at the start: from transparent to opaque in the uppermost layers.
        window, absorbing = torch.linspace(-8.0, 3.0, per_sky), torch.linspace(-7.0, 11.0, common)
        spectrum = torch.cat([window, absorbing, window.repeat(skies - 1)])
        self.longwave_gas = Optics(channels, ABSORBERS, spectrum)
        self.longwave_cloud = Optics(channels, 2, torch.zeros(len(spectrum) - per_sky))
        common, clear, cloudy = (self.config[f"shortwave_{name}"] for name in ("common", "clear", "cloudy"))
        sunlit = torch.linspace(-6.0, 6.0, common)
        spectrum = torch.cat([torch.linspace(-11.0, 0.0, clear), sunlit, torch.linspace(-11.0, 1.0, cloudy)])
        self.shortwave_gas = Optics(channels, ABSORBERS - 1, spectrum)
        self.shortwave_cloud = Optics(channels, 2, torch.full((common + cloudy,), -4.0))
        self.scattering_cloud = Optics(channels, 2, torch.zeros(common + cloudy))
        # How much of what clouds absorb in each of RRTMG's bands they do at a point: the less, the more transparent it begins.
        opaque = torch.cat([torch.linspace(-9.0, -2.0, common), torch.linspace(-9.0, -2.0, cloudy)])
        self.cloud_bands = nn.Parameter(opaque[:, None] + 0.5 * torch.randn(common + cloudy, CLOUD_BANDS))
        self.register_buffer("cloud_band_table", torch.tensor(TABLE), persistent=False)
        self.rayleigh = nn.Parameter(torch.full((len(spectrum), 1), -14.0))
        # Cross sections of ozone in sunlight hardly know the state of the air.
        ozone = torch.cat([torch.full((clear,), -6.0), torch.linspace(2.5, -5.0, common), torch.full((cloudy,), -6.0)])
        self.ozone = nn.Parameter(torch.stack([ozone, ozone - 2.0], 1))
        # Share of the Planck function that each point of a sky emits: a cubic in temperature that sums to one. Its part for
        # 250 K follows the column's gases, as RRTMG's fractions of a band follow their mixture. The cubic is relative to the
        # share: a step of the training changes the share of line centres, a ten-thousandth, in proportion. Lorentz lines absorb
        # more strongly than k in a part of the spectrum that goes with the inverse root of k: so shares begin.
        emitting = self.longwave_common + per_sky
        shares = -0.5 * torch.cat([absorbing, window]).clamp_min(0.0)
        self.planck = nn.Parameter(torch.cat([shares[None], torch.randn(3, emitting)]))
        # Shares of sunlight: of the common points and of all others; of points among those in the clear sky.
        self.sun = ChannelMixing(SUN_FEATURES, 12)
        self.common_share = ChannelMixing(12, common + 1, gain=0.1)
        self.clear_share = ChannelMixing(12, clear, gain=0.1)
        self.emission_share = ChannelMixing(12, emitting, gain=0.1)
        with torch.no_grad():
            self.common_share.bias[:common, 0] = -2.0 - 0.5 * sunlit.clamp_min(0.0)
        self.sky = ChannelMixing(SKY_FEATURES + channels, self.config["hidden"])
        self.sky_share = ChannelMixing(self.config["hidden"], skies - 1, gain=0.1)
        self.sun_share = ChannelMixing(self.config["hidden"], cloudy, gain=0.1)

    @classmethod
    def from_config(cls, config: dict[str, int]) -> AllSky:
        """A network of the size in ``config``, the fields of :class:`AllSkyConfig`."""
        return cls(AllSkyConfig(**config))

    def run_trunk(self, features: Tensor, tests: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The channels (channel, layer, column), and their mean (channel, column) over the mass.

        ``features`` are those of :meth:`describe`, ``tests`` those of :func:`ftorch_bridge.cloud_bands.clouds_in_bands`,
        ``share`` (layer, column) is the part of the column's mass in each layer.
        """
        x = self.scaled_stem(features) + torch.mm(self.cloud_stem, tests.flatten(1)).unflatten(
            1, [tests.shape[1], tests.shape[2]]
        )
        for module in self.trunk:
            x = module(x, self.context_scale * share)
        return x, (x * share).sum(1)

    def near_infrared(self, clouds: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """See :func:`ftorch_bridge.cloud_bands.clouds_in_bands`."""
        smallness = features[self.smallness : self.smallness + 2]
        cover = features[self.cloud_fraction] / features[self.clouded].clamp_min(0.01)
        if self.operators_serve([clouds, features]):
            found = torch.ops.radml.cloud_bands(self.cloud_band_table, clouds, smallness, cover)
            return found[0], found[1]
        return clouds_in_bands(self.cloud_band_table, clouds, smallness, cover)

    def emission_cubic(self) -> Tensor:
        """How the share of the Planck function that each point emits grows with temperature (3, spectral point)."""
        share = self.planck[:1].softmax(1)
        return share * (self.planck[1:] - (share * self.planck[1:]).sum(1, keepdim=True))

    def sky_emission(self, temperature: Tensor, base: Tensor, skies: Tensor) -> Tensor:
        """Planck emission pi*B of each point [W m-2] (point, ...) at ``temperature`` [K] (..., column).

        ``base`` (spectral point, column) is each point's share of it at 250 K, ``skies`` (sky, column) how much of the sky each
        of them is.
        """
        warm = temperature * 0.01 - 2.5
        total = self.stefan_boltzmann * (temperature * temperature) ** 2
        first = total * warm
        second = first * warm
        grown = torch.mm(self.emission_cubic().t(), torch.stack([first, second, second * warm]).flatten(1))
        if temperature.dim() == 2:
            base, skies = base[:, None], skies[:, None]
        emission = base * total + grown.unflatten(1, temperature.shape)
        common, window = emission[: self.longwave_common], emission[self.longwave_common :]
        divided = skies[:, None] * window
        return torch.cat([divided[0], common, divided[1:].flatten(0, 1)])

    def longwave(self, depth: Tensor, base: Tensor, skies: Tensor, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Fluxes up and down (point, level, column) and what layers absorb (point, layer, column) [W m-2] from depths, so too.

        Without scattering; the source is linear in optical depth.
        """
        absorption = -torch.expm1(-depth)
        transmission = 1.0 - absorption
        edge = depth / (depth + self.half_depth)
        planck_layer = self.sky_emission(s["temperature_layer"], base, skies)
        planck_level = self.sky_emission(s["temperature_level"], base, skies)
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
        flux = (1.0 - emissivity) * flux + emissivity * self.sky_emission(s["surface_temperature"], base, skies)
        up = [flux]
        emissions = emission_up.unbind(1)
        for step in range(layers):
            layer = layers - 1 - step
            flux = torch.addcmul(emissions[layer], transmissions[layer], flux)
            up.append(flux)
        up.reverse()
        upward, downward = torch.stack(up, 1), torch.stack(down, 1)
        # What a layer absorbs less what it emits: no difference of large fluxes, which would drown thin layers in rounding.
        absorbed = absorption * (downward[:, :-1] + upward[:, 1:]) - emission_down - emission_up
        return upward, downward, absorbed

    def shortwave(
        self, absorbing: Tensor, scattering: Tensor, incident: Tensor, s: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same of sunlight, from depths of absorption and of scattering and what comes in (point, column) [W m-2].

        Layers scatter as much forward as backward: depths are those after similarity scaling. Diffuse light follows from two
        streams (Meador and Weaver 1980, with the coefficients of the practical improved flux method), the beam's scattered
        light from where in the layer it was scattered on average; layers are added up (Lacis and Hansen 1974). Nothing is a
        difference of like numbers.
        """
        cosine = s["cos_zenith"].clamp_min(1e-6)
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
        return upward, downward + stacked, absorbed

    def prepare(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What transfer needs of columns as of :meth:`describe`.

        The channels of :meth:`run_trunk`; what clouds absorb in bands; how the points share the Planck function at 250 K
        (point, column), how large the skies are (sky, column), and the sunlight that comes in [W m-2] (point, column).
        """
        sky = s["sky"]
        bands, tests = self.near_infrared(s["clouds"], s["features"])
        channels, mean = self.run_trunk(s["features"], tests, s["share"])
        scaled = (sky - self.sky_mean) * self.sky_scale
        summary = torch.cat([scaled, mean])
        hidden = self.sky(summary[:, None]).relu()
        clouded = sky[:1]
        skies = torch.cat([1.0 - clouded, clouded * self.sky_share(hidden)[:, 0].softmax(0)])
        sun = self.sun(scaled[self.cloud_features :][:, None]).relu()
        base = (self.planck[:1].t() + self.emission_share(sun)[:, 0]).softmax(0)
        common = self.common_share(sun)[:, 0].softmax(0)
        clear = (1.0 - clouded) * self.clear_share(sun)[:, 0].softmax(0)
        cloudy = clouded * self.sun_share(hidden)[:, 0].softmax(0)
        suns = torch.cat([common[-1:] * clear, common[:-1], common[-1:] * cloudy])
        return channels, bands, base, skies, suns * s["incident"]

    def radiate_by_points(self, s: dict[str, Tensor]) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        """What :meth:`longwave` and :meth:`shortwave` give for columns as of :meth:`describe`, without the operators."""
        x, bands, base, skies, incident = self.prepare(s)
        amounts, clouds = s["amounts"], s["clouds"]
        longwave = self.longwave(with_clouds(self.longwave_gas(x, amounts), self.longwave_cloud(x, clouds)), base, skies, s)
        # The least depths keep quotients of them defined.
        absorbing = self.shortwave_gas(x, amounts[:5]) + depths(self.ozone.exp(), s["ozone"])
        absorbing = with_clouds(absorbing, self.shortwave_cloud(x, clouds) + depths(self.cloud_bands.exp(), bands))
        scattering = with_clouds(self.rayleigh.exp()[:, :, None] * s["thickness"], self.scattering_cloud(x, clouds))
        return longwave, self.shortwave(absorbing + 1e-12, scattering + 1e-12, incident, s)

    def run(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See :meth:`ftorch_bridge.sky.SkyNetwork.run`: without derivatives on a CPU, by one operator."""
        if self.use_operators and self.infers_on_cpu(inputs[0]):
            weight, bias = self.stem_on_features()
            modules: list[Tensor] = []
            for module in self.trunk:
                modules += [module.context.weight, module.context.bias]
                modules += [module.convolution.weight, module.convolution.bias, module.mixing.weight, module.mixing.bias]
            shares = [self.sky_mean, self.sky_scale, self.planck[:1], self.sun.weight, self.sun.bias]
            shares += [self.common_share.weight, self.common_share.bias, self.clear_share.weight, self.clear_share.bias]
            shares += [self.emission_share.weight, self.emission_share.bias, self.sky.weight, self.sky.bias]
            shares += [self.sky_share.weight, self.sky_share.bias, self.sun_share.weight, self.sun_share.bias]
            longwave = self.longwave_gas.weights() + self.longwave_cloud.weights()
            longwave += [self.emission_cubic()]
            shortwave = self.shortwave_gas.weights()
            shortwave += [self.ozone.exp()]
            shortwave += self.shortwave_cloud.weights()
            shortwave += [self.cloud_bands.exp()]
            shortwave += self.scattering_cloud.weights()
            shortwave += [self.rayleigh.exp()]
            found = torch.ops.radml.all_sky(
                inputs,
                self.cloud_band_table,
                torch.cat([weight, self.cloud_stem], 1),
                bias,
                self.context_scale,
                modules,
                shares,
                longwave,
                self.longwave_common,
                shortwave,
                self.heating_factor,
            )
            return found[0], found[1], found[2], found[3], found[4], found[5]
        return self.radiate(self.describe(inputs))

    def radiate(self, s: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See :meth:`ftorch_bridge.sky.SkyNetwork.radiate`."""
        thickness = s["thickness"]
        if self.use_operators and not thickness.is_cuda:
            x, bands, base, skies, incident = self.prepare(s)
            lw_up, lw_down, lw_absorbed = torch.ops.radml.longwave_transfer(
                self.longwave_gas.head(x),
                self.longwave_gas.strength.exp(),
                s["amounts"],
                self.longwave_cloud.head(x),
                self.longwave_cloud.strength.exp(),
                s["clouds"],
                self.emission_cubic(),
                base,
                skies,
                self.longwave_common,
                s["temperature_layer"],
                s["temperature_level"],
                s["surface_temperature"],
                s["surface_emissivity"],
            )
            sw_up, sw_down, sw_absorbed = torch.ops.radml.shortwave_transfer(
                self.shortwave_gas.head(x),
                self.shortwave_gas.strength.exp(),
                s["amounts"][:5],
                self.ozone.exp(),
                s["ozone"],
                self.shortwave_cloud.head(x),
                self.shortwave_cloud.strength.exp(),
                self.cloud_bands.exp(),
                bands,
                self.scattering_cloud.head(x),
                self.scattering_cloud.strength.exp(),
                s["clouds"],
                self.rayleigh.exp(),
                thickness[None],
                incident,
                s["surface_albedo"],
                s["cos_zenith"],
            )
        else:
            longwave, shortwave = self.radiate_by_points(s)
            lw_up, lw_down, lw_absorbed = longwave[0].sum(0), longwave[1].sum(0), longwave[2].sum(0)
            sw_up, sw_down, sw_absorbed = shortwave[0].sum(0), shortwave[1].sum(0), shortwave[2].sum(0)
        rate = self.heating_factor / thickness
        return lw_up, lw_down, lw_absorbed * rate, sw_up, sw_down, sw_absorbed * rate
