"""docs/layout.md: each row of its table, as a model sees it; and what it says of models that ask for an order."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from host_projects import ROOT, command, configure

PAGE = (ROOT / "docs" / "layout.md").read_text()
ROW = re.compile(r"^\| `(torch_.+)` \| \(([\d, ]*)\) \| \(([\d, ]*)\) \| (viewed|copied)", re.MULTILINE)
ROWS = [(row[1], row[2], row[3], row[4]) for row in ROW.finditer(PAGE)]

CMAKE = """cmake_minimum_required(VERSION 3.25)
project(layout LANGUAGES Fortran)
find_package(radml REQUIRED)
add_executable(layout layout.f90)
target_link_libraries(layout PRIVATE radml::radml_torch)
"""
# The model gives the shape and the strides of what it sees, and its elements in the order of the indices.
PROGRAM = """program layout
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use radml_torch
  implicit none
{declarations}
  type(torch_model) :: net
  integer :: i, j, k

  t = reshape([(real(i, real64), i = 1, 12)], [4, 3])
  x = reshape([(real(i, real64), i = 1, 24)], [2, 3, 4])
  state%temperature = 0
  state%humidity = t
  waves%amplitude = cmplx(t, 0, real64)
  waves%frequency = 0
  call net%load('layout.pt')
{calls}
contains
  subroutine show(view, rank, elements)
    type(torch_array), intent(in) :: view
    integer, intent(in) :: rank, elements
    integer(int64) :: shape_and_strides(2*rank)
    real(real64) :: values(elements)

    call net%forward([view], [torch_out(shape_and_strides), torch_out(values)])
    print '(*(i0, :, " "))', shape_and_strides
    print '(*(i0, :, " "))', nint(values)
  end subroutine show
end program layout
"""


class Layout(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = torch.tensor(list(x.shape) + list(x.stride()), dtype=torch.int64)
        return seen, torch.view_as_real(x)[..., 0].reshape(-1) if x.is_complex() else x.reshape(-1)


def numbers(text: str) -> list[int]:
    return [int(word) for word in re.findall(r"\d+", text)]


@pytest.fixture(scope="module")
def printed(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two lines for each row of the page's table: what the model saw."""
    folder = tmp_path_factory.mktemp("layout")
    torch.jit.script(Layout()).save(str(folder / "layout.pt"))
    declarations = PAGE.split("## What the model sees")[1].split("```fortran\n")[1].split("```")[0]
    calls = ""
    for passed, shape, _, _ in ROWS:
        elements = int(torch.tensor(numbers(shape)).prod())
        calls += f"  call show({passed}, {len(numbers(shape))}, {elements})\n"
    (folder / "layout.f90").write_text(PROGRAM.format(declarations=declarations, calls=calls))
    (folder / "CMakeLists.txt").write_text(CMAKE)
    configure(folder, folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    command("cmake", "--build", folder / "build")
    return command(folder / "build" / "layout", cwd=folder).split("\n")


def test_the_model_sees_the_shapes_and_strides_that_the_page_says(printed: list[str]) -> None:
    assert len(ROWS) >= 12
    for i, (passed, shape, strides, _) in enumerate(ROWS):
        assert numbers(printed[2 * i]) == numbers(shape) + numbers(strides), passed


def test_the_model_sees_the_right_elements_and_copies_lie_densely(printed: list[str]) -> None:
    t = torch.arange(1, 13).reshape(3, 4).T
    x = torch.arange(1, 25).reshape(4, 3, 2).permute(2, 1, 0)
    elements = {
        "torch_in(t)": t,
        "torch_reverse(torch_in(t))": t.T,
        "torch_permute(torch_in(x), [3, 1, 2])": x.permute(2, 0, 1),
        "torch_in(t(1:4:2, :))": t[::2],
        "torch_in(t(2:3, 1:2))": t[1:3, 0:2],
        "torch_in(t(:, 2))": t[:, 1],
        "torch_in(t(2, :))": t[1],
        "torch_in(t(2, 3))": t[1, 2],
        "torch_in(state%humidity)": t,
        "torch_in(t(4:1:-1, :))": t.flip(0),
        "torch_reverse(torch_in(t(:, 3:1:-1)))": t.flip(1).T,
        "torch_in(waves%amplitude)": t,
    }
    for i, (passed, shape, strides, how) in enumerate(ROWS):
        assert numbers(printed[2 * i + 1]) == elements[passed].reshape(-1).tolist(), passed
        if how == "copied":
            extents = numbers(shape)
            assert numbers(strides) == [int(torch.tensor(extents[:d]).prod()) for d in range(len(extents))], passed


def test_operations_on_columns_innermost_do_what_the_page_says() -> None:
    x = torch.rand(4, 3, dtype=torch.float64).T.contiguous().T
    assert x.stride() == (1, 4)
    for result in (x + x, torch.exp(x)):
        assert result.stride() == (1, 4)  # no other order on the way
    for view in (x[:, 1:], x.transpose(0, 1)):
        assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x.reshape(-1).untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert x.flatten().untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert x.T.reshape(-1).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.view(-1)
    assert x.contiguous().stride() == (3, 1)


def test_the_picture_is_well_formed_and_shows_the_table() -> None:
    picture = (ROOT / "docs" / "layout.svg").read_text()
    for passed, shape, strides, _ in ROWS:
        if f">{passed}<" in picture:
            assert f"shape ({shape}), strides ({strides})" in picture
    assert sum(f">{passed}<" in picture for passed, *_ in ROWS) == 3
    ElementTree.parse(ROOT / "docs" / "layout.svg")
