"""How far two sets of fluxes and heating rates are apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def compare(
    found: Mapping[str, Array], truth: Mapping[str, Array], pressure_layer: Array, spectrum: str = "lw"
) -> dict[str, float]:
    """Errors of ``found`` against ``truth``, longwave (``lw``) or shortwave (``sw``).

    Both hold ``lw_up``, ``lw_down`` (column, level) in W m-2 and ``lw_heating_rate`` (column, layer) in K day-1,
    ``pressure_layer`` (column, layer) is in Pa. All columns, levels and layers weigh the same; ``worst_layer``, counted
    from 0 at the top, has the largest heating RMSE.
    """
    up = found[f"{spectrum}_up"] - truth[f"{spectrum}_up"]
    down = found[f"{spectrum}_down"] - truth[f"{spectrum}_down"]
    heating = found[f"{spectrum}_heating_rate"] - truth[f"{spectrum}_heating_rate"]
    by_layer = np.sqrt((heating**2).mean(axis=0))
    worst = int(by_layer.argmax())
    return {
        "flux_bias": float(0.5 * (up.mean() + down.mean())),
        "flux_rmse": float(np.sqrt(0.5 * ((up**2).mean() + (down**2).mean()))),
        "flux_largest": float(max(np.abs(up).max(), np.abs(down).max())),
        "flux_up_relative_mae": float(np.abs(up).mean() / np.abs(truth[f"{spectrum}_up"]).mean()),
        "flux_down_relative_mae": float(np.abs(down).mean() / np.abs(truth[f"{spectrum}_down"]).mean()),
        "top_up_rmse": float(np.sqrt((up[:, 0] ** 2).mean())),
        "surface_down_rmse": float(np.sqrt((down[:, -1] ** 2).mean())),
        "top_net_rmse": float(np.sqrt(((down - up)[:, 0] ** 2).mean())),
        "surface_net_rmse": float(np.sqrt(((down - up)[:, -1] ** 2).mean())),
        "heating_bias": float(heating.mean()),
        "heating_mae": float(np.abs(heating).mean()),
        "heating_rmse": float(np.sqrt((heating**2).mean())),
        "heating_rmse_below_100_pa": float(np.sqrt((heating[pressure_layer > 100.0] ** 2).mean())),
        "heating_relative_mae": float(np.abs(heating).mean() / np.abs(truth[f"{spectrum}_heating_rate"]).mean()),
        "heating_worst_layer_rmse": float(by_layer[worst]),
        "worst_layer": worst,
        "heating_largest": float(np.abs(heating).max()),
    }
