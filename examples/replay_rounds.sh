#!/bin/sh
# The loop of replay, from a network that was trained on a hundred columns. In each round: how many of 20 ten-day runs all over the
# globe fail with the network alone and with the guard, and what the guard leaves to RRTMG; what it refused is recorded, and some of
# what the network did by itself, and the network trains on with it. Beside it the same steps without what was recorded. Works in the
# folder $1 with $2 threads, $3 rounds; five minutes a round on one core.
set -eu
recipes=$(cd "$(dirname "$0")/../recipes" && pwd)
mkdir -p "${1:-rounds}"
cd "${1:-rounds}"
threads=${2:-1}
rounds=${3:-3}

# fails WEIGHTS SCHEME: of 20 runs, of their 1280 columns, and what was left to RRTMG.
fails() {
  [ -f "$1.pt" ] || ftorch-export ftorch_bridge.all_sky:AllSky --weights "$1.safetensors" --columns examples.nc --tolerance 0.1 -o "$1.pt" > log
  [ -f "$1.$2.json" ] || ftorch-bench stability --model "$1.pt" --scheme "$2" --folder "$1.$2" --runs 20 --days 10 --twins 0 --no-cases \
    --threads "$threads" --json "$1.$2.json" > log
  python3 -c "
import json, sys
globe = json.load(open(f'{sys.argv[1]}.{sys.argv[2]}.json'))['groups'][0]
left = f\", {globe['fallback_share']:.2%} left to RRTMG\" if sys.argv[2] == 'guarded' else ''
print(f\"{sys.argv[1]}, {sys.argv[2]}: {globe['failed_runs']} of {globe['runs']} runs fail, {len(globe['failures'])} of 1280 columns{left}\")
" "$1" "$2"
}

[ -f examples.nc ] || ftorch-train columns --number 256 --seed 5 -o examples.nc
[ -f few.nc ] || ftorch-train columns --number 100 --seed 1 -o few.nc
ftorch-train dataset few --from few.nc --columns-per-shard 25 --draws 1 --threads "$threads" > log
sed 's/^steps = .*/steps = 400/; s/^warm_up = .*/warm_up = 100/; s/^every = .*/every = 400/; s/^batch = .*/batch = 32/' \
  "$recipes/all_sky_small.toml" > few.toml
[ -f round0.safetensors ] || ftorch-train recipe few.toml few -o round0.safetensors --threads "$threads" > log
fails round0 network
fails round0 guarded
cp -n round0.safetensors alone0.safetensors
round=0
while [ "$round" -lt "$rounds" ]; do
  before=$round
  round=$((round + 1))
  [ -f "columns$round.nc" ] || ftorch-train columns --number 256 --seed $((100 + round)) -o "columns$round.nc" > log
  # What the guard refuses, and a sample of what the network drives by itself: beside the guard, and alone until a column fails.
  for scheme in guarded network; do
    cat > "$scheme$round.nml" <<EOF
&host
  columns = 'columns$round.nc'
  history = 'history.$scheme$round.nc'
  history_interval = 864000
  sky = 'all'
  physics = 'moist'
  sunlight = 'globe'
  hours = 240
  radiation_interval = 3600
  seed = $round
  threads = $threads
  scheme = '$scheme'
  on_failure = 'restart'
  model = 'round$before.pt'
  replay = 'replay.$scheme$round.nc'
  replay_columns = 4000
  replay_sample = 0.05
/
EOF
    # A run that was cut off has written columns, which it would offer again.
    [ -f "history.$scheme$round.nc" ] || { rm -f "replay.$scheme$round.nc" && radml-host "$scheme$round.nml" > log; }
  done
  # The same steps with next to no recorded columns, for comparison.
  for kind in round alone; do
    share=0.7
    [ $kind = round ] || share=1e-9
    [ -f "$kind$round.safetensors" ] || ftorch-train replay "$kind$before.safetensors" few replay.*.nc -o "$kind$round.safetensors" \
      --folder "recorded$round" --recipe few.toml --share $share --steps 2000 --learning-rate 3e-3 --draws 16 --threads "$threads" > log
  done
  fails "round$round" network
  fails "round$round" guarded
  fails "alone$round" network
done
