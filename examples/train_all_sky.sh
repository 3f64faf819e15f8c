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

# Two networks are trained at a time, each with half of the cores: one process a core has no other to wait for in each step.
processes=$(((cores + 1) / 2))
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 # pages of 2 MB, which a step touches fewer of
trap 'trap - INT TERM; kill 0' INT TERM # trainings in the background then write checkpoints

# with_log NAME COMMAND...: tells where the log is, and on failure how it ends.
with_log() {
  echo "$1: see $PWD/$1.log"
  log=$1.log
  shift
  "$@" >> "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    return 1
  }
}

# finished PROCESS PROCESS: wait for both; fail if one failed.
finished() {
  failed=0
  for process in "$@"; do wait "$process" || failed=1; done
  [ $failed = 0 ]
}

# by_recipe NAME FOLDER: a training from nothing.
by_recipe() {
  [ -f "$2/$1.safetensors" ] || with_log "$1" torchrun --standalone --nproc-per-node "$processes" -m ftorch_bridge.cli.train \
    recipe "$recipes/$1.toml" train -o "$2/$1.safetensors" --resume
}

mkdir -p first
by_recipe all_sky first & one=$!
by_recipe all_sky_small first & finished $one $!
"$examples/record_all_sky.sh" first/all_sky.safetensors replay "$cores"
with_log all_sky "$examples/replay_all_sky.sh" first/all_sky.safetensors train replay "$processes" 60000 33000 & one=$!
{
  with_log all_sky_small "$examples/replay_all_sky.sh" first/all_sky_small.safetensors train replay "$processes" 24000 60000
  by_recipe rescnn_sgd .
  by_recipe birnn .
} & finished $one $!
cp replay/all_sky.safetensors replay/all_sky_small.safetensors .
[ -f all_sky.envelope.txt ] || ftorch-train envelope train replay/labelled/set -o all_sky.envelope.txt
for name in all_sky all_sky_small rescnn_sgd birnn; do
  ftorch-train evaluate "$name.safetensors" unseen89 --split all --noise-columns 256 --threads "$cores" -o "$name.md"
done
unset GLIBC_TUNABLES # what is timed is as in a host
ftorch-bench networks all_sky.safetensors all_sky_small.safetensors rescnn_sgd.safetensors birnn.safetensors \
  --json networks.json --figure networks.png
