"""transformers is quiet inside, and as it was outside."""

import pytest
from transformers.utils import logging

from anybind.encoder_kit.notices import quiet_transformers


def fail_quietly():
    with quiet_transformers():
        assert not logging.is_progress_bar_enabled()
        logging.get_logger("transformers.notices").warning("not heard")
        raise ZeroDivisionError


@pytest.mark.parametrize("bars", [True, False])
def test_quiet_inside_and_restored_after_an_error(bars, caplog):
    known, drawn = logging.get_verbosity(), logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if bars else logging.disable_progress_bar)()
    logging.set_verbosity_info()
    try:
        with pytest.raises(ZeroDivisionError):
            fail_quietly()
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.INFO, bars)
        logging.get_logger("transformers.notices").warning("heard")
        assert [record.message for record in caplog.records] == ["heard"]
    finally:
        logging.set_verbosity(known)
        (logging.enable_progress_bar if drawn else logging.disable_progress_bar)()
