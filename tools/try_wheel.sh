#!/bin/sh
# Tries a wheel as its user would: in a new environment, with a host built by another Fortran compiler than the wheel.
#   tools/try_wheel.sh dist/ftorch_bridge-*.whl flang-new-19
# It needs cmake, ninja, a C compiler and the Fortran compiler. Takes some minutes: PyTorch is installed anew.
set -eu
wheel=$(realpath "$1")
compiler=$2
example=$(cd "$(dirname "$0")/../examples/01_first_model" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH RADML_PREFIX RADML_BUILD_DIR || :

"${PYTHON:-python3}" -m venv env
PATH="$folder/env/bin:$PATH"
pip install -q "$wheel"
ftorch-bridge doctor

cmake -G Ninja -S "$example" -B build -DCMAKE_PREFIX_PATH="$(ftorch-bridge cmake-prefix)" -DCMAKE_Fortran_COMPILER="$compiler"
cmake --build build
python -W ignore "$example/make_model.py"
./build/first_model | tee printed
# What its README says that it prints.
# shellcheck disable=SC2016 # backquotes of Markdown
sed -n '/<!-- expected output -->/,$p' "$example/README.md" | sed -n '/^```/,/^```/p' | sed '/^```/d' | diff - printed

# RRTMG, from the command line and from Python.
ftorch-train columns --number 20 --layers 60 --seed 1 -o columns.nc
ftorch-train fluxes columns.nc -o fluxes.nc
python -c "import ftorch_bridge.rrtmg, ftorch_bridge.coupling as coupling; print(coupling.versions())"
echo "the wheel works with $compiler"
