"""radml for Python: columns, training, export and benchmarks for networks that run inside Fortran models."""
