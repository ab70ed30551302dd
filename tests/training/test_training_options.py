"""The shared options: temperatures by space, and one wording for all methods."""

from __future__ import annotations

from dataclasses import fields

import pytest

from anybind.builtin.binders.training_options import training_options
from anybind.errors import UnknownNameError, UsageError
from anybind.methods.on_features import OnFeatures
from anybind.training.options import TrainingOptions, scales_of


def test_defaults_and_names_are_those_of_the_specs() -> None:
    declared = {name: spec.default for name, spec in training_options().items()}
    shared = (*fields(OnFeatures), *fields(TrainingOptions))
    assert declared == {field.name: field.default for field in shared}


def test_methods_leave_options_out_or_change_their_default() -> None:
    specs = training_options(without=("mixing",), noise=0.5)
    assert "mixing" not in specs
    assert specs["noise"].default == 0.5
    assert training_options()["noise"].default == 1.0
    for wrong in ({"without": ("mix",)}, {"nois": 1}):
        with pytest.raises(KeyError):
            training_options(**wrong)


def test_temperatures_are_the_common_one_or_the_spaces_own() -> None:
    options = TrainingOptions(temperature=0.1, temperatures=["image=0.5", "a=b=0.001"])
    scales = scales_of(options, ["image", "text", "a=b"])
    assert scales == {"image": 2.0, "text": 10.0, "a=b": 100.0}, "never sharper than a scale of 100"


@pytest.mark.parametrize(
    "entry", ["image", "image=", "=0.1", "image=0", "image=-1", "image=nan", "image=inf", "image=x"]
)
def test_what_is_no_temperature_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="space and number") as error:
        scales_of(TrainingOptions(temperatures=[entry]), ["image"])
    assert error.value.got == entry


def test_a_temperature_of_an_unknown_space_is_refused() -> None:
    with pytest.raises(UnknownNameError) as error:
        scales_of(TrainingOptions(temperatures=["imag=0.1"]), ["image", "text"])
    assert "image" in str(error.value.expected)
