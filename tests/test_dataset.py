"""Data sets in shards: made by any processes, killed and resumed, split by profile, read in batches."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ftorch_bridge.cli.train import app
from ftorch_bridge.columns import generate_columns
from ftorch_bridge.dataset import SPLITS, Batches, Dataset, DatasetError, Made, Settings, load_split, read_shard, split_of
from ftorch_bridge.ranks import rank_and_size
from typer.testing import CliRunner

NAMES = ("temperature_layer", "cos_zenith", "sw_up", "lw_heating_rate")
SMALL = ("--layers", "12", "--layers", "20", "--columns-per-shard", "256", "--seed", "3", "--draws", "2")
HOLD = """
import sys
from pathlib import Path
from ftorch_bridge.files import own_part
with own_part(Path(sys.argv[1]), int(sys.argv[2])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""
TRAIN = (sys.executable, "-m", "ftorch_bridge.cli.train", "dataset")


def make(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["dataset", str(folder), *SMALL, *options])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six shards of 256 columns, of 12 and 20 layers in turns."""
    folder = tmp_path_factory.mktemp("dataset") / "set"
    make(folder, "--number", "1300")
    return folder


def files_of(folder: Path) -> dict[str, dict[str, bytes]]:
    """The variables of all shards: whole files differ by the time in their history."""
    found = {}
    for path in sorted(folder.glob("*.nc")):
        with xr.open_dataset(path) as file:
            found[path.name] = {str(name): values.to_numpy().tobytes() for name, values in file.variables.items()}
    return found


def test_a_set_is_what_one_file_of_columns_would_be(made: Path) -> None:
    dataset = Dataset(made)
    assert dataset.shards() == [0, 1, 2, 3, 4, 5]
    assert sorted(path.name for path in made.iterdir())[:3] == ["dataset.json", "shard-000000.fluxes.nc", "shard-000000.nc"]
    whole = generate_columns(1536, 20, seed=3)
    with xr.open_dataset(dataset.columns_path(3)) as shard:
        assert shard.sizes["layer"] == 20
        for name in ("temperature_layer", "cloud_fraction", "cos_zenith", "profile"):
            np.testing.assert_array_equal(shard[name], whole[name][768:1024])
    with xr.open_dataset(dataset.fluxes_path(3)) as fluxes:
        assert "mean of 2 draws" in fluxes.attrs["comment"]
        assert {"lw_up", "sw_up", "sw_heating_rate"} <= set(fluxes.variables)


def test_parts_make_the_set_that_one_process_makes(made: Path, tmp_path: Path) -> None:
    for part in ("2/3", "1/3", "3/3"):
        make(tmp_path / "set", "--number", "1300", "--part", part)
    assert files_of(tmp_path / "set") == files_of(made)


def test_processes_take_their_part_from_the_launcher(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns("shard-00000[1-5]*"))
    options = [*SMALL, "--number", "1300"]
    processes = [
        subprocess.Popen(
            [*TRAIN, tmp_path / "set", *options],
            env={**os.environ, "OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "2 shards made" in said[0] and "3 there, part 1 of 2" in said[0]
    assert "3 shards made" in said[1] and "3 there, part 2 of 2" in said[1]
    assert files_of(tmp_path / "set") == files_of(made)


def test_two_runs_at_once_share_the_shards(made: Path, tmp_path: Path) -> None:
    options = [*SMALL, "--number", "1300"]
    runs = [
        subprocess.Popen([*TRAIN, tmp_path / "set", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    counts = [re.search(r"set: (\d+) shards made in .* s, 6 there", words) for words, _ in said]
    assert sum(int(count[1]) for count in counts if count) == 6, said
    assert files_of(tmp_path / "set") == files_of(made)
    assert not list((tmp_path / "set").glob(".*"))


def test_a_shard_that_another_run_is_making_is_left_to_it(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("shard-00000[12]*"))
    (folder / ".shard-000001.7.tmp.nc").touch()  # which that run is writing
    dataset = Dataset(folder)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder / "dataset.json", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "True\n"
    assert dataset.make(1, wait=False) == "busy"
    assert dataset.make(2, wait=False) == "made"
    assert (folder / ".shard-000001.7.tmp.nc").is_file()
    other.kill()
    other.communicate()
    assert dataset.make(1) == "made"
    assert dataset.make(1) == "there"
    assert files_of(folder) == files_of(made)
    assert not list(folder.glob(".*"))


def test_a_set_that_was_killed_is_gone_on_with(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    kills = 0
    for delay in (1.2, 1.6, 2.0, 2.4):
        process = subprocess.Popen([*TRAIN, folder, *SMALL, "--number", "1300"], start_new_session=True, stdout=subprocess.PIPE)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        process.stdout.close()
    assert kills > 0
    left = list(folder.glob(".shard*")) if folder.is_dir() else []
    make(folder, "--number", "1300")
    assert files_of(folder) == files_of(made), left
    assert not list(folder.glob(".*"))


@pytest.mark.usefixtures("heeded")
def test_a_set_that_was_interrupted_ends_at_once_and_is_gone_on_with(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    said = []
    for delay in (1.2, 1.6, 2.0, 2.4):
        process = subprocess.Popen(
            [*TRAIN, folder, *SMALL, "--number", "1300"], start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said.append((process.communicate(timeout=60)[1], process.returncode))
    assert all(code != 0 for _, code in said[:-1]) or any(code == 0 for _, code in said)
    make(folder, "--number", "1300")
    assert files_of(folder) == files_of(made), said
    assert not list(folder.glob(".*"))


def test_an_interrupt_names_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Dataset.make

    def make_and_signal(self: Dataset, shard: int, threads: int | None = None, *, wait: bool = True) -> Made:
        made = original(self, shard, threads, wait=wait)
        if shard == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return made

    monkeypatch.setattr(Dataset, "make", make_and_signal)
    done = CliRunner().invoke(app, ["dataset", str(tmp_path / "set"), *SMALL, "--number", "1300"])
    assert done.exit_code == 1
    assert f"{tmp_path}/set: stopped by SIGTERM, 2 of 6 shards are there: the same command goes on" in done.stderr


def test_shards_that_are_there_are_left_alone_and_a_set_grows(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "set")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.nc")}
    assert "0 shards made" in make(tmp_path / "set", "--number", "1300")
    assert "1 shards made" in make(tmp_path / "set", "--number", "1537")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.nc")}
    assert before.items() <= after.items()
    assert Dataset(tmp_path / "set").shards()[-1] == 6


def test_recorded_columns_become_shards(tmp_path: Path) -> None:
    recorded = generate_columns(600, 15, seed=8)
    recorded.drop_vars("profile").to_netcdf(tmp_path / "recorded.nc")
    recorded.isel(column=slice(100)).to_netcdf(tmp_path / "more.nc")
    sources = ("--from", str(tmp_path / "recorded.nc"), "--from", str(tmp_path / "more.nc"))
    result = CliRunner().invoke(app, ["dataset", str(tmp_path / "set"), *sources, "--columns-per-shard", "250", "--draws", "1"])
    assert result.exit_code == 0, result.output
    dataset = Dataset(tmp_path / "set")
    columns = [xr.open_dataset(dataset.columns_path(shard)) for shard in dataset.shards()]
    assert [part.sizes["column"] for part in columns] == [250, 250, 100, 100]
    together = np.concatenate([part["h2o"] for part in columns])
    np.testing.assert_array_equal(together, np.concatenate([recorded["h2o"], recorded["h2o"][:100]]))
    np.testing.assert_array_equal(np.concatenate([part["profile"] for part in columns[:3]]), np.arange(600))
    np.testing.assert_array_equal(columns[3]["profile"], recorded["profile"][:100])


def test_a_set_moves_with_the_columns_beside_it(tmp_path: Path) -> None:
    before, after, elsewhere = tmp_path / "before", tmp_path / "after", tmp_path / "elsewhere.nc"
    before.mkdir()
    recorded = generate_columns(60, 15, seed=8)
    recorded.to_netcdf(before / "recorded.nc")
    recorded.to_netcdf(elsewhere)

    def settings(folder: Path) -> Settings:
        return Settings(sources=(str(folder / "recorded.nc"), str(elsewhere)), columns_per_shard=40, draws=1)

    Dataset.create(before / "set", settings(before)).make(0)
    before.rename(after)
    moved = Dataset.create(after / "set", settings(after))
    assert moved.settings.sources == ("../recorded.nc", str(elsewhere))
    for shard in range(moved.shards_of_sources()):
        moved.make(shard)
    together = np.concatenate([xr.open_dataset(moved.columns_path(shard))["h2o"] for shard in moved.shards()])
    np.testing.assert_array_equal(together, np.concatenate([recorded["h2o"], recorded["h2o"]]))
    recorded.to_netcdf(after / "other.nc")
    with pytest.raises(DatasetError, match="is a data set with sources"):
        Dataset.create(after / "set", replace(settings(after), sources=(str(after / "other.nc"), str(elsewhere))))


def test_a_set_behind_a_link_finds_its_sources(tmp_path: Path) -> None:
    (tmp_path / "disk" / "set").mkdir(parents=True)
    (tmp_path / "set").symlink_to(tmp_path / "disk" / "set")
    source = tmp_path / "recorded.nc"
    generate_columns(20, 15, seed=8).to_netcdf(source)
    settings = Settings(sources=(str(source),), columns_per_shard=20, draws=1)
    Dataset.create(tmp_path / "set", settings)
    for folder in (tmp_path / "set", tmp_path / "disk" / "set"):
        assert Dataset.create(folder, settings).shards_of_sources() == 1


def test_a_set_made_with_absolute_sources_is_gone_on_with(tmp_path: Path) -> None:
    source = tmp_path / "recorded.nc"
    generate_columns(20, 15, seed=8).to_netcdf(source)
    settings = Settings(sources=(str(source),), columns_per_shard=20, draws=1)
    Dataset.create(tmp_path / "set", settings)
    description = tmp_path / "set" / "dataset.json"
    description.write_text(description.read_text().replace('"../recorded.nc"', json.dumps(str(source))))
    dataset = Dataset.create(tmp_path / "set", settings)
    assert dataset.settings.sources == (str(source),)
    assert dataset.shards_of_sources() == 1


def test_profiles_are_split_by_their_number_alone() -> None:
    profiles = np.arange(200_000, dtype=np.int64) * 7919 + 2**40
    parts = split_of(profiles)
    counts = Counter(parts.tolist())
    for split, share in SPLITS.items():
        expected = share * profiles.size
        assert abs(counts[split] - expected) < 5 * np.sqrt(expected)
    assert (split_of(profiles[::-3]) == parts[::-3]).all()
    # Those of another order, and of another seed: no pattern.
    assert abs(np.mean((parts[1:] == "test") & (parts[:-1] == "test")) - 0.05**2) < 0.001


def test_a_split_is_the_columns_of_its_profiles(made: Path) -> None:
    dataset = Dataset(made)
    parts = [read_shard(dataset, 2, [*NAMES, "profile"], split) for split in SPLITS]
    assert sum(len(part["cos_zenith"]) for part in parts) == 256
    assert [len(part["cos_zenith"]) > 0 for part in parts] == [True] * 3
    with xr.open_dataset(dataset.columns_path(2)) as columns:
        test = split_of(columns["profile"].to_numpy()) == "test"
        np.testing.assert_array_equal(parts[2]["temperature_layer"], columns["temperature_layer"][test].astype(np.float32))
    unseen = load_split(dataset, NAMES, "validation", 12, 20)
    assert unseen["sw_up"].shape == (20, 13)
    assert unseen["sw_up"].dtype == np.float32


def first_batches(count: int, dataset: Dataset, **options) -> list[bytes]:
    batches = iter(Batches(dataset, NAMES, batch=32, seed=1, shards_at_once=2, **options))
    return [b"".join(batch[name].tobytes() for name in NAMES) for batch in islice(batches, count)]


def test_batches_go_through_every_training_column_and_no_other(made: Path) -> None:
    dataset = Dataset(made)
    batches = Batches(dataset, ("profile", "temperature_layer"), batch=8, seed=5, shards_at_once=3)
    seen: Counter[tuple[int, ...]] = Counter()
    for batch in batches:
        if batches.position()[0] > 0:
            break
        assert len(set(batch["temperature_layer"].shape)) == 2
        seen.update((batch["temperature_layer"].shape[1], int(value)) for value in batch["temperature_layer"][:, 0] * 1e6)
    there = sum(len(read_shard(dataset, shard, ("cos_zenith",), "train")["cos_zenith"]) for shard in dataset.shards())
    assert seen.most_common(1)[0][1] == 1
    assert there - 4 * 8 < seen.total() <= there  # a batch that is not full is left out, of each grid in each group


def test_batches_follow_from_the_seed_and_go_on_from_a_position(made: Path) -> None:
    dataset = Dataset(made)
    whole = first_batches(60, dataset)
    assert first_batches(60, dataset) == whole
    batches = Batches(dataset, NAMES, batch=32, seed=1, shards_at_once=2)
    iterator = iter(batches)
    for _ in range(43):  # in the second epoch
        next(iterator)
    assert batches.position()[0] == 1
    iterator.close()
    assert first_batches(17, dataset, position=batches.position()) == whole[43:]
    assert len(set(whole)) == 60


def test_ranks_read_shards_of_their_own(made: Path) -> None:
    dataset = Dataset(made)
    of_ranks = [first_batches(20, dataset, rank=rank, ranks=2) for rank in range(2)]
    assert not set(of_ranks[0]) & set(of_ranks[1])
    with pytest.raises(DatasetError, match="expected a shard for each of 9 ranks, got 6"):
        Batches(dataset, NAMES, batch=32, seed=1, ranks=9)


def test_a_batch_larger_than_the_set_is_refused(made: Path) -> None:
    with pytest.raises(DatasetError, match="a batch of 5000 columns is larger than every group"):
        next(iter(Batches(Dataset(made), NAMES, batch=5000, seed=1)))


def test_errors_of_reading_come_where_the_batches_are_used(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "set")
    (tmp_path / "set" / "shard-000002.fluxes.nc").write_bytes(b"no NetCDF")
    with pytest.raises(DatasetError, match=r"shard-000002.nc: cannot be read"):
        for _ in Batches(Dataset(tmp_path / "set"), NAMES, batch=32, seed=1):
            pass
    with pytest.raises(DatasetError, match=r"there is no variable ozone, nor in shard-000000.fluxes.nc"):
        read_shard(Dataset(made), 0, ["ozone"], "train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", "4"), "is a data set with seed = 3, got 4; give another folder"),
        (("--draws", "3"), "is a data set with draws = 2, got 3"),
        (("--number", "0"), "number of columns: expected at least 1, got 0"),
        (("--columns-per-shard", "100"), "columns per shard: expected a multiple of 256, got 100"),
        (("--part", "4/3"), "--part: expected K/N with K from 1 to N, got 4/3"),
        (("--from", "nowhere.nc"), "nowhere.nc"),
    ],
)
def test_a_command_that_does_not_fit_is_refused(made: Path, options: tuple[str, ...], message: str) -> None:
    before = sorted(made.iterdir())
    result = CliRunner().invoke(app, ["dataset", str(made), *SMALL, *options])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(made.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--overlap", "foo"), "overlap: expected one of maximum-random, random, maximum, analytic, got foo"),
        (("--ice-optics", "foo"), "ice optics: expected one of fu, streamer, got foo"),
        (("--top-pressure", "2000"), "pressure at the top: expected 0 to 1000 Pa, got 2000.0"),
        (("--top-pressure", "nan"), "pressure at the top: expected 0 to 1000 Pa, got nan"),
        (("--from", "nowhere.nc"), "nowhere.nc: no such file"),
    ],
)
def test_a_command_that_is_refused_leaves_no_data_set(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["dataset", str(tmp_path / "set"), *options])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_the_choices() -> None:
    said = " ".join(CliRunner().invoke(app, ["dataset", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output.split())
    assert "overlap of clouds: maximum-random, random, maximum, analytic" in said
    assert "ice optics: fu, streamer" in said


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_text("a model")
    result = CliRunner().invoke(app, ["dataset", str(tmp_path / "net.pt"), *SMALL])
    assert result.exit_code == 1
    assert result.stderr.endswith("net.pt: expected a folder, got a file\n")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no data set"):
        Dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        Dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"seed": 1}))
    with pytest.raises(DatasetError, match=r"expected the settings absorbing_ice, .* got seed"):
        Dataset(tmp_path)
    with pytest.raises(DatasetError, match="draws: expected at least 1, got 0"):
        Dataset.create(tmp_path / "new", Settings(draws=0))
    assert not (tmp_path / "new").exists()


def test_ranks_come_from_the_launcher_that_is_nearest() -> None:
    slurm = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"}
    assert rank_and_size({}) == (0, 1)
    assert rank_and_size(slurm) == (5, 8)
    assert rank_and_size(slurm | {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}) == (1, 2)
    with pytest.raises(ValueError, match="RANK=3, WORLD_SIZE=2: expected a rank below"):
        rank_and_size({"RANK": "3", "WORLD_SIZE": "2"})
