#!/bin/sh
# Replay for a network of all sky, in two rounds, with the columns that record_all_sky.sh left in a folder. $1: weights, $2: the
# data set they come from, $3: the folder, $4: processes, $5 and $6: steps of the rounds. Goes on where it was cut off; ends with
# weights of the same name in the folder.
set -eu
weights=$(realpath "$1")
base=$(realpath "$2")
name=$(basename "$1" .safetensors)
recipe=$(realpath "$(dirname "$0")/../recipes/$name.toml")
cd "$3"
processes=$4

# train_on FROM TO STEPS HEATING SHORTWAVE_FLUX CLIP: the last three are the recipe's.
train_on() {
  [ -f "$2.safetensors" ] && return
  sed "s/^heating = [0-9.]*/heating = $4/; s/^shortwave_flux = [0-9.]*/shortwave_flux = $5/; s/^clip = [0-9.]*/clip = $6/" \
    "$recipe" > "$2.toml"
  torchrun --standalone --nproc-per-node "$processes" -m ftorch_bridge.cli.train replay "$1" "$base" ./*.replay.nc \
    -o "$2.safetensors" --folder labelled --recipe "$2.toml" --share 0.3 --steps "$3" --learning-rate 2e-3 --draws 64 \
    --resume --json "$2.json"
}

# Errors of heating are the larger in the end: they count for more from round to round.
train_on "$weights" "${name}_first" "$5" 400.0 0.3 20.0
train_on "${name}_first.safetensors" "$name" "$6" 3200.0 1.0 100.0
