"""Signals made elsewhere are refused with the field named, or become unit vectors and hashes."""

import math

import numpy as np
import pytest

from services.matcher.visual.signals import (
    SignalRefused,
    embedding_from_bytes,
    embedding_from_values,
    frame_time,
    pdq_from_hex,
    pdq_quality,
)


def field_of(refusal: pytest.ExceptionInfo[SignalRefused]) -> str:
    return refusal.value.violations[0].field


def test_a_hash_of_64_digits_becomes_32_bytes():
    assert pdq_from_hex("0f" * 32, at="pdq") == b"\x0f" * 32


@pytest.mark.parametrize("text", ["", "0f" * 31, "0f" * 33, "zz" * 32, "0f" * 31 + " 1", "é" * 64])
def test_a_hash_of_another_form_is_refused(text):
    with pytest.raises(SignalRefused) as refusal:
        pdq_from_hex(text, at="frame_hashes[2].signal")
    assert field_of(refusal) == "frame_hashes[2].signal"


@pytest.mark.parametrize("value", [-1, 101, 10**9])
def test_a_quality_out_of_range_is_refused(value):
    with pytest.raises(SignalRefused) as refusal:
        pdq_quality(value, at="quality")
    assert field_of(refusal) == "quality"
    assert pdq_quality(50, at="quality") == 50


@pytest.mark.parametrize("t_ms", [-1, 10**12])
def test_a_time_out_of_range_is_refused(t_ms):
    with pytest.raises(SignalRefused) as refusal:
        frame_time(t_ms, at="t_ms")
    assert field_of(refusal) == "t_ms"
    assert frame_time(0, at="t_ms") == 0


@pytest.mark.parametrize(
    ("model", "dim", "values", "field"),
    [
        ("m", 3, (1.0, 2.0), "e.values"),
        ("m", 2, (1.0, math.nan), "e.values"),
        ("m", 2, (1.0, math.inf), "e.values"),
        ("m", 2, (0.0, 0.0), "e.values"),
        ("m", 0, (), "e.dim"),
        ("m", 4097, (1.0,) * 4097, "e.dim"),
        ("", 2, (1.0, 2.0), "e.model"),
        ("m" * 129, 2, (1.0, 2.0), "e.model"),
    ],
)
def test_numbers_that_are_no_vector_are_refused(model, dim, values, field):
    with pytest.raises(SignalRefused) as refusal:
        embedding_from_values(model, dim, values, at="e")
    assert field_of(refusal) == field


@pytest.mark.parametrize(
    ("dtype", "dim", "values", "field"),
    [
        ("f64", 1, bytes(8), "e.dtype"),
        ("f32", 2, bytes(7), "e.values"),
        ("f16", 1, np.array([np.inf], "<f2").tobytes(), "e.values"),
        ("i8", 3, bytes(3), "e.values"),
        ("i8", -1, b"", "e.values"),
    ],
)
def test_bytes_that_are_no_vector_are_refused(dtype, dim, values, field):
    with pytest.raises(SignalRefused) as refusal:
        embedding_from_bytes("m", dim, dtype, values, at="e")
    assert field_of(refusal) == field


@pytest.mark.parametrize("dtype", ["f32", "f16", "i8"])
def test_any_number_format_gives_the_same_direction(dtype):
    code = {"f32": "<f4", "f16": "<f2", "i8": "i1"}[dtype]
    embedding = embedding_from_bytes("m", 2, dtype, np.array([30, 40], code).tobytes(), at="e")
    assert embedding.dim == 2
    assert embedding.vector() == pytest.approx([0.6, 0.8], abs=1e-6)


def test_very_large_numbers_do_not_overflow():
    vector = embedding_from_values("m", 2, (3e300, 4e300), at="e").vector()
    assert vector == pytest.approx([0.6, 0.8], abs=1e-6)
