"""RRTMG in single precision: the library radml::rrtmg_real32 against radml::rrtmg, and how a host finds either."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from host.programs import succeeds
from host_projects import BUILD, ROOT, command, configure
from hypothesis import given, settings
from hypothesis import strategies as st
from rrtmg_clouds import ANALYTIC, MAXIMUM_RANDOM, cloudy_columns, subcolumns
from rrtmg_drivers import BIN, Columns, programs
from rrtmg_precision import apart, longwave_columns, run_longwave, run_shortwave, shortwave_columns, unbalanced
from test_rrtmg_cloud_program import cloudy_host_columns, read

FLUX, HEATING = 0.05, 0.1  # what single precision may cost [W m-2], [K day-1]
LONGWAVE = [("clear", MAXIMUM_RANDOM), ("cloud", MAXIMUM_RANDOM), ("cloud", ANALYTIC), ("aerosol", MAXIMUM_RANDOM)]

pytestmark = pytest.mark.skipif(not (BIN / "rrtmg_longwave_driver_real32").exists(), reason="built with RADML_RRTMG_REAL32=OFF")


def check(c: Columns, double: Columns, single: Columns) -> None:
    differences = apart(double, single)
    print(differences)
    for name, difference in differences.items():
        # Written so that NaN fails.
        assert difference <= (HEATING if name == "heating_rate" else FLUX), name
    assert unbalanced(c, single) <= 0.01


@pytest.mark.parametrize("layers", [1, 20, 89, 137])
@pytest.mark.parametrize("kind", ["clear", "aerosol", "cloud", "thick"])
def test_shortwave_is_that_of_real64(tmp_path: Path, kind: str, layers: int) -> None:
    c = shortwave_columns(60, layers, layers, kind)
    check(c, *(run_shortwave(c, tmp_path, suffix) for suffix in ("", "_real32")))


@pytest.mark.parametrize("layers", [1, 20, 89, 137])
@pytest.mark.parametrize(("kind", "overlap"), LONGWAVE)
def test_longwave_is_that_of_real64(tmp_path: Path, kind: str, overlap: int, layers: int) -> None:
    c = longwave_columns(60, layers, layers, kind)
    check(c, *(run_longwave(c, tmp_path, suffix, overlap=overlap) for suffix in ("", "_real32")))


@settings(max_examples=20, deadline=None)
@given(layers=st.integers(1, 140), seed=st.integers(0, 10**6), kind=st.sampled_from(["clear", "aerosol", "cloud", "thick"]))
def test_any_columns_shortwave_is_that_of_real64(layers: int, seed: int, kind: str) -> None:
    c = shortwave_columns(12, layers, seed, kind)
    with tempfile.TemporaryDirectory() as folder:
        check(c, *(run_shortwave(c, Path(folder), suffix) for suffix in ("", "_real32")))


@settings(max_examples=20, deadline=None)
@given(layers=st.integers(1, 140), seed=st.integers(0, 10**6), case=st.sampled_from(LONGWAVE))
def test_any_columns_longwave_is_that_of_real64(layers: int, seed: int, case: tuple[str, int]) -> None:
    c = longwave_columns(12, layers, seed, case[0])
    with tempfile.TemporaryDirectory() as folder:
        check(c, *(run_longwave(c, Path(folder), suffix, overlap=case[1]) for suffix in ("", "_real32")))


def test_thin_layers_heat_where_differences_of_fluxes_would_be_rounding(tmp_path: Path) -> None:
    c = shortwave_columns(60, 137, 3, "clear")
    double, single = (run_shortwave(c, tmp_path, suffix) for suffix in ("", "_real32"))
    net = (double["down"] - double["up"]).astype(np.float32)  # as good as fluxes in single precision can be
    seconds_per_flux = 86400 * 9.8066 / 1004.64 / np.diff(c["pressure_level"], axis=1)
    from_fluxes = -np.diff(net, axis=1) * seconds_per_flux
    assert np.abs(from_fluxes - double["heating_rate"]).max() > HEATING
    assert np.abs(single["heating_rate"] - double["heating_rate"]).max() < 0.01 * HEATING


def test_gpoints_see_the_same_clouds(tmp_path: Path) -> None:
    c = cloudy_columns(20, 60, 5) | {"seed": np.arange(20)}
    seen = []
    for suffix in ("", "_real32"):
        with programs(suffix):
            seen.append(subcolumns(c, tmp_path, MAXIMUM_RANDOM, 2))
    assert 0 < seen[0].mean() < 1
    assert np.array_equal(*seen)


def test_the_program_writes_the_same_fluxes_and_its_name(tmp_path: Path) -> None:
    cloudy_host_columns(tmp_path)
    found = {}
    for program in ("radml-rrtmg", "radml-rrtmg-real32"):
        succeeds(program, "columns.nc", f"{program}.nc", "--draws", "2", "--seed", "3", folder=tmp_path)
        found[program] = read(tmp_path / f"{program}.nc")
        with netCDF4.Dataset(tmp_path / f"{program}.nc") as file:
            assert file.source.startswith(f"{program} ")
    double, single = found.values()
    assert double.keys() == single.keys()
    for name, values in double.items():
        limit = HEATING if name.endswith("heating_rate") else FLUX
        assert np.abs(single[name] - values).max() <= (limit if name[:3] in ("lw_", "sw_") else 0), name


# ---- two libraries ----

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(my_model LANGUAGES Fortran)
find_package(radml REQUIRED COMPONENTS rrtmg rrtmg_real32)
foreach(kind rrtmg rrtmg_real32)
  add_executable(${kind} my_model.f90)
  set_target_properties(${kind} PROPERTIES Fortran_MODULE_DIRECTORY ${CMAKE_BINARY_DIR}/${kind}.modules)
  target_link_libraries(${kind} PRIVATE radml::${kind})
endforeach()
"""
MODEL = """
program my_model
  use radml_rrtmg_longwave, only: rrtmg_longwave, rrtmg_success
  use radml_rrtmg_shortwave, only: rrtmg_shortwave
  use radml_rrtmg_kinds, only: wp
  implicit none
  type(rrtmg_longwave) :: longwave
  type(rrtmg_shortwave) :: shortwave
  character(len=4096) :: folder
  integer :: stat
  call get_command_argument(1, folder)
  call longwave%load(trim(folder)//"/rrtmg_longwave.nc", stat=stat)
  if (stat /= rrtmg_success) error stop "longwave"
  call shortwave%load(trim(folder)//"/rrtmg_shortwave.nc", stat=stat)
  if (stat /= rrtmg_success) error stop "shortwave"
  print "(i0)", storage_size(1.0_wp)
end program my_model
"""


@pytest.mark.parametrize("place", ["build folder", "installation"])
def test_a_host_links_the_one_or_the_other(place: str, tmp_path: Path) -> None:
    folder = BUILD
    if place == "installation":
        folder = tmp_path / "prefix"
        command("cmake", "--install", BUILD, "--prefix", folder)
        assert (folder / "include/radml/rrtmg_real32/radml_rrtmg_longwave.mod").exists()
    project = tmp_path / "my_model"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(PROJECT)
    (project / "my_model.f90").write_text(MODEL.strip() + "\n")
    configure(project, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={folder}")
    command("cmake", "--build", tmp_path / "build")
    cache = (tmp_path / "build" / "CMakeCache.txt").read_text()
    assert Path(re.findall(r"radml_DIR:PATH=(.*)", cache)[0]).is_relative_to(folder)
    for kind, bits in (("rrtmg", "64"), ("rrtmg_real32", "32")):
        assert command(tmp_path / "build" / kind, ROOT / "data").strip() == bits
