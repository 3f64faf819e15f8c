#!/bin/sh
# Makes the weights that the project ships: columns on four vertical grids, RRTMG's fluxes for them, and the network's training.
# Writes into the folder $1; an hour or two on one core, and it goes on where it was cut off.
set -eu
folder=${1:-training}
mkdir -p "$folder"
cd "$folder"

columns() { # columns NAME NUMBER LAYERS SEED TOP_PRESSURE
  [ -f "$1.nc" ] || ftorch-train columns --clear-sky --output "$1.nc" --number "$2" --layers "$3" --seed "$4" --top-pressure "$5"
}
columns layers89 20000 89 1 1
columns layers137 6000 137 2 0
columns layers60 4000 60 3 1
columns layers47 4000 47 4 10
columns unseen 1000 89 5 1

ftorch-train fit layers89.nc layers137.nc layers60.nc layers47.nc --validation unseen.nc \
  --steps 60000 --learning-rate 0.004 --output rescnn_longwave.safetensors --resume
