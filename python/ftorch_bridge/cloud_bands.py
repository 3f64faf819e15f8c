"""What clouds absorb in RRTMG's near infrared, band by band: the part of their optics that networks need not learn.

RRTMG solves its two streams without absorption where a test takes a layer for one that only scatters. Fu's crystals scatter
so far forward that ice which absorbs well passes it, from some size on (docs/rrtmg.md, "Ice that absorbs"): what an ice cloud
absorbs jumps from layer to layer, and what its gases absorb does, too. A network that is given the paths of water alone has
to guess where.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

CLOUD_BANDS: Final = 8
"""RRTMG's shortwave bands 16 to 23, 2600 to 12850 cm-1: beyond these clouds absorb next to nothing."""
CLOUD_TESTS: Final = 2 * CLOUD_BANDS
"""For each band whether RRTMG takes a layer for a scatterer, and how much more absorption would change that."""
# Absorption, scattering and forward scattering of each band: quartics in the logarithm of smallness, of droplets and crystals.
# By tools/fit_cloud_bands.py from RRTMG's tables (Hu and Stamnes 1993, Fu 1996), within 5 % for 4 to 21 and 4.5 to 91 um.
TABLE: Final = (
    (1.0593, -0.14882, -0.010683, -0.025888, -0.0141, 0.44426, -0.046203, -0.0078979, 0.0014311, 0.0029719),
    (1.1831, -0.089265, -0.0073201, -0.0050813, 0.0012613, 0.32414, -0.059516, 0.01291, -0.0020232, 0.0010913),
    (0.12243, -0.10247, 0.028231, -0.0083626, 0.0083366, 0.063409, -0.053718, 0.019995, -0.0046735, 0.00079261),
    (0.15032, -0.12042, 0.043038, -0.01401, 0.0019853, 0.17036, -0.10904, 0.024758, -0.0042842, 0.0021132),
    (0.049425, -0.039608, 0.015986, -0.0069178, -0.00015874, 0.050673, -0.043017, 0.015975, -0.0038718, 0.00070724),
    (0.028405, -0.024434, 0.011954, -0.0042957, 1.5743e-05, 0.051484, -0.040998, 0.013309, -0.0027237, 0.0005628),
    (0.016139, -0.013884, 0.00697, -0.0026671, 6.9109e-05, 0.0046816, -0.0046439, 0.0024257, -0.00089372, 0.00017847),
    (0.0014072, -0.0012307, 0.0006537, -0.0002569, -3.2226e-05, 0.00070516, -0.00070058, 0.00034911, -0.00011766, 2.1585e-05),
    (0.64764, 0.54482, 0.27261, -0.051794, -0.14373, 0.089787, 0.035955, 0.0068394, -0.00098922, -0.0022009),
    (0.36309, 0.22637, -0.022356, -0.090297, 0.00021907, 0.17815, 0.049671, -0.010146, -0.00013498, -0.00012939),
    (0.94326, 0.49121, 0.1668, -0.1497, -0.16603, 0.36923, 0.056049, -0.020699, 0.0011085, 0.0010272),
    (0.90872, 0.44379, 0.22592, -0.017342, -0.15413, 0.28099, 0.081686, -0.015473, -0.0010924, -5.9196e-05),
    (0.96154, 0.3729, 0.1687, -0.0013714, -0.060738, 0.3734, 0.052178, -0.01986, 0.0011449, 0.0010143),
    (0.91424, 0.26864, 0.13853, 0.072167, 0.0060255, 0.36855, 0.046637, -0.01572, -0.00051827, 0.0012864),
    (0.90306, 0.22197, 0.078754, 0.061584, 0.050265, 0.39964, 0.017542, -0.0080488, -0.0016277, 0.0016256),
    (0.86876, 0.1719, 0.052199, 0.026688, 0.029208, 0.40507, 0.020504, -0.0093184, -0.0013629, 0.0016087),
    (0.29845, 0.23018, 0.099944, -0.018749, -0.043995, 0.030171, 0.0068712, -0.0031877, 0.00037192, -0.00016852),
    (0.17328, 0.10425, -0.010492, -0.039764, 0.00057864, 0.11825, 0.023299, -0.011759, 0.00068558, 0.00082167),
    (0.4313, 0.20384, 0.05917, -0.054836, -0.052424, 0.21014, -0.00064323, -0.011218, 0.0042275, 4.6806e-05),
    (0.41651, 0.18542, 0.083001, -0.0082935, -0.055628, 0.15341, 0.01553, -0.013213, 0.0038625, -0.00029903),
    (0.43899, 0.15484, 0.062984, -0.0040114, -0.023449, 0.18586, -0.0091191, -0.0074829, 0.0044213, -0.00040128),
    (0.41928, 0.11315, 0.054976, 0.025825, -0.00062815, 0.17696, -0.011396, -0.0043344, 0.0032883, -0.00035163),
    (0.41456, 0.09371, 0.031303, 0.023206, 0.018686, 0.18528, -0.025239, 0.0024561, 0.0016279, -0.00018821),
    (0.40006, 0.072967, 0.021068, 0.010146, 0.011458, 0.18315, -0.022916, 0.0032915, 0.0023871, -0.00083874),
)


def clouds_in_bands(table: Tensor, clouds: Tensor, smallness: Tensor, cover: Tensor) -> tuple[Tensor, Tensor]:
    """Depths of absorption in the cloudy part of the sky (band, layer, column), none where RRTMG takes a layer for a scatterer.

    And what RRTMG's test makes of the layers (test, layer, column): for each band whether it takes a layer for a scatterer,
    1 or 0; then for each band how deep an absorption, of gases for example, it would still overlook, on a logarithmic scale,
    and 0 where it overlooks none. ``table`` is :data:`TABLE`; ``clouds`` and ``smallness`` (kind, layer, column) are water
    over radius and the inverse of radii, of droplets and crystals, as :meth:`ftorch_bridge.sky.SkyNetwork.describe` has them
    among amounts and features; ``cover`` (layer, column) is the part of the cloudy sky that has a cloud in the layer.
    """
    x = smallness.log()
    square = x * x
    basis = torch.stack([clouds, clouds * x, clouds * square, clouds * (square * x), clouds * (square * square)], 1)
    sums = torch.mm(table, basis.flatten(0, 1).flatten(1)).unflatten(1, [clouds.shape[1], clouds.shape[2]])
    absorption, scattering, forward = sums.chunk(3)
    # RRTMG's test of the layer without its gases: asymmetry of one half or more, and an albedo above one before scaling.
    sideways = scattering - forward
    a, b = forward * forward, sideways * sideways
    pure = (forward >= sideways) & (absorption * a < (absorption + scattering) * b)
    # The absorption at which the test would fail.
    margin = scattering * b / (a - b).clamp_min(1e-6 * a + 1e-20) - absorption
    inside = (margin / cover.clamp_min(1e-6)).clamp(0.0, 100.0)
    overlooked = (0.2 * ((inside + 1e-3).log() + 7.0)).masked_fill(~pure, 0.0)
    return absorption.clamp_min(0.0).masked_fill(pure, 0.0), torch.cat([pure.to(absorption.dtype), overlooked])
