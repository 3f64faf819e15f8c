#!/bin/sh
# The main job: columns with clouds and sun, the network's export, and RRTMG against the network in the Fortran host, longwave and
# shortwave. Writes into the folder $1.
set -eu
folder=${1:-demo}
mkdir -p "$folder"

ftorch-train columns --number 512 --seed 2026 --output "$folder/columns.nc"
ftorch-export ftorch_bridge.all_sky:AllSky --weights "$(ftorch-bridge data-file all_sky.safetensors)" \
  --envelope "$(ftorch-bridge data-file all_sky.envelope.txt)" \
  --columns "$folder/columns.nc" --output "$folder/all_sky.pt"
ftorch-bench radiation --columns "$folder/columns.nc" --model "$folder/all_sky.pt" --draws 256 \
  --json "$folder/radiation.json" --figure "$folder/radiation.png"
