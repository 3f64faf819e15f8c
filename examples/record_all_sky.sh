#!/bin/sh
# What networks of all sky are trained on with: the host meets columns that no generator makes, all round the year, on several
# grids and in extreme cases. $1: weights, of a network that runs in RRTMG's shadow, $2: folder for the recorded columns, $3: cores.
# Goes on where it was cut off.
set -eu
weights=$(realpath "$1")
mkdir -p "$2"
cd "$2"
cores=${3:-2}

# record NAME DAY-OF-YEAR KEPT OPTION...: ten days of the host from `ftorch-train columns OPTION...`.
record() {
  name=$1 day=$2 kept=$3
  shift 3
  [ -f "$name.replay.nc" ] && return
  ftorch-train columns -o "$name.columns.nc" "$@"
  cat > "$name.nml" <<EOF
&host
  columns = '$name.columns.nc'
  history = '$name.history.nc'
  history_interval = 864000
  sky = 'all'
  physics = 'moist'
  sunlight = 'globe'
  hours = 240
  radiation_interval = 10800
  day_of_year = $day
  seed = $day
  threads = $cores
  scheme = 'shadow'
  model = 'before.pt'
  on_failure = 'restart'
  replay = '$name.part.nc'
  replay_limit = 1e-9
  replay_columns = $kept
/
EOF
  rm -f "$name.part.nc"
  radml-host "$name.nml"
  rm "$name.history.nc" "$name.columns.nc"
  mv "$name.part.nc" "$name.replay.nc"
}

[ -f examples.nc ] || ftorch-train columns --number 256 --seed 5 -o examples.nc
[ -f before.pt ] || ftorch-export ftorch_bridge.all_sky:AllSky --weights "$weights" --columns examples.nc --tolerance 1e-3 -o before.pt
for day in 15 75 135 196 258 319; do
  record "globe$day" $day 6144 --number 512 --seed $((4000 + day))
done
record layers137 45 2048 --number 128 --seed 4401 --layers 137
record layers60 166 3072 --number 192 --seed 4402 --layers 60
record layers47 288 3072 --number 192 --seed 4403 --layers 47
record polar 350 2048 --number 128 --seed 4501 --case 'polar night'
record co2 80 2048 --number 128 --seed 4502 --case '4 x CO2'
record desert 196 2048 --number 128 --seed 4503 --case 'hot desert'
record overcast 110 2048 --number 128 --seed 4504 --case 'deep overcast'
record warmer 230 2048 --number 128 --seed 4505 --case '+4 K'
