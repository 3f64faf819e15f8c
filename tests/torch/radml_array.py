"""``radml_array`` of radml.h for the scripts of this folder that call libradml from Python."""

import ctypes


class Array(ctypes.Structure):
    """A view of memory that its owner keeps: address, kind, rank, extents, strides in bytes."""

    _fields_ = [
        ("address", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 15),
        ("strides", ctypes.c_int64 * 15),
        ("flags", ctypes.c_int32),
        ("element_size", ctypes.c_int32),
    ]
