"""One file of named numpy arrays that can be mapped into memory: a header, then aligned arrays."""

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

_MAGIC = b"SPOTLIGHT-ARRAYS"
_ALIGNMENT = 64
_HEADER_BYTES_MAX = 1 << 20


class ArrayFileError(ValueError):
    """The file is not one of ours, is of another format or is cut short."""


def save(path: Path, version: int, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
    """Write to a neighbour, then rename: a reader sees the old file or the whole new one."""
    entries, offset = [], 0
    for name, array in arrays.items():
        entries.append({"name": name, "dtype": array.dtype.str, "shape": array.shape, "offset": offset})
        offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    header = json.dumps({"version": version, "bytes": offset, "arrays": entries}).encode()
    start = _start(len(header))
    neighbour = path.with_name(f".{path.name}.{os.getpid()}")
    with neighbour.open("wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for entry, array in zip(entries, arrays.values(), strict=True):
            file.seek(start + int(str(entry["offset"])))
            file.write(np.ascontiguousarray(array).data)
        file.truncate(start + offset)
        file.flush()
        os.fsync(file.fileno())
    neighbour.replace(path)


def load(path: Path, version: int) -> dict[str, npt.NDArray[np.generic]]:
    """Map the arrays of a file."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ArrayFileError(f"{path} does not begin as one of our files")
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_BYTES_MAX:
            raise ArrayFileError(f"{path}: a header of {length} bytes")
        header = json.loads(file.read(length))
    if header["version"] != version:
        raise ArrayFileError(f"{path} has format {header['version']}, this program reads {version}")
    start = _start(length)
    if path.stat().st_size < start + header["bytes"]:
        raise ArrayFileError(f"{path} is cut short")
    if not header["bytes"]:
        return {e["name"]: np.empty(e["shape"], dtype=e["dtype"]) for e in header["arrays"]}
    whole = np.memmap(path, dtype=np.uint8, mode="r", offset=0)
    return {e["name"]: _array(whole, start, e) for e in header["arrays"]}


def _array(whole: npt.NDArray[np.uint8], start: int, entry: dict[str, object]) -> npt.NDArray[np.generic]:
    dtype, shape = np.dtype(str(entry["dtype"])), tuple(entry["shape"])  # type: ignore[arg-type]
    begin = start + int(str(entry["offset"]))
    size = int(np.prod(shape)) * dtype.itemsize
    return np.asarray(whole[begin : begin + size]).view(dtype).reshape(shape)


def _start(header_length: int) -> int:
    return -(-(len(_MAGIC) + 8 + header_length) // _ALIGNMENT) * _ALIGNMENT
