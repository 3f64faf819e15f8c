"""radml for Python: columns, training, export and benchmarks for networks that run inside Fortran models."""

import os
from pathlib import Path

# The compiled modules _radml and _rrtmg lie beside this file in an installed package. A build or an install prefix of its own
# keeps them in a folder below lib.
for _variable in ("RADML_PREFIX", "RADML_BUILD_DIR"):
    if _root := os.environ.get(_variable):
        __path__.insert(0, str(Path(_root).absolute() / "lib" / "radml" / "ftorch_bridge"))
