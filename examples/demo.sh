#!/bin/sh
# The main job: columns, the network's export, and RRTMG against the network in the Fortran host. Writes into the folder $1.
set -eu
folder=${1:-demo}
mkdir -p "$folder"

ftorch-train columns --clear-sky --number 512 --seed 2026 --output "$folder/columns.nc"
ftorch-export ftorch_bridge.networks:ResCNN --weights "$(ftorch-bridge data-file rescnn_longwave.safetensors)" \
  --columns "$folder/columns.nc" --output "$folder/rescnn.pt"
ftorch-bench radiation --columns "$folder/columns.nc" --model "$folder/rescnn.pt" \
  --json "$folder/radiation.json" --figure "$folder/radiation.png"
