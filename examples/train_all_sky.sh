#!/bin/sh
# From nothing to the networks of all sky that come along, and their model cards: columns, RRTMG's fluxes for them, trainings,
# columns of the host and trainings with them, evaluations, the guard's envelope. Writes into the folder $1 on $2 cores, and
# goes on where it was cut off. Three hours on two.
set -eu
folder=${1:-training}
cores=${2:-2}
examples=$(cd "$(dirname "$0")" && pwd)
recipes=$(cd "$examples/../recipes" && pwd)
mkdir -p "$folder"
cd "$folder"

ftorch-train dataset train --number 196608 --layers 89 --layers 89 --layers 137 --layers 60 --layers 89 --layers 47 --seed 1 \
  --draws 64 --threads "$cores"
for layers in 89 137 60 47; do # columns that nothing is trained on: another seed
  ftorch-train dataset "unseen$layers" --number 2048 --columns-per-shard 2048 --layers "$layers" --seed 2 --draws 512 \
    --threads "$cores"
done

# Processes share a training's steps: in these small networks threads have too little to do at a time.
mkdir -p first
for name in all_sky all_sky_small; do
  [ -f "first/$name.safetensors" ] || torchrun --standalone --nproc-per-node "$cores" -m ftorch_bridge.cli.train \
    recipe "$recipes/$name.toml" train -o "first/$name.safetensors" --resume
done
"$examples/replay_all_sky.sh" first/all_sky.safetensors train replay "$cores"
RECIPE="$recipes/all_sky_small.toml" SHORTWAVE_FLUX=0.2 STEPS=24000 RATE=1.5e-3 \
  "$examples/replay_all_sky.sh" first/all_sky_small.safetensors train replay "$cores"
cp replay/all_sky.safetensors replay/all_sky_small.safetensors .
[ -f all_sky.envelope.txt ] || ftorch-train envelope train replay/labelled/set -o all_sky.envelope.txt
for name in rescnn_sgd birnn; do
  [ -f "$name.safetensors" ] || ftorch-train recipe "$recipes/$name.toml" train -o "$name.safetensors" --threads "$cores" --resume
done
for name in all_sky all_sky_small rescnn_sgd birnn; do
  ftorch-train evaluate "$name.safetensors" unseen89 --split all --noise-columns 256 --threads "$cores" -o "$name.md"
done
ftorch-bench networks all_sky.safetensors all_sky_small.safetensors rescnn_sgd.safetensors birnn.safetensors \
  --json networks.json --figure networks.png
