import pytest
from pydantic import TypeAdapter, ValidationError

from students.transfer_sets.config import CropFlip, Digits, TransferSetConfig

adapter = TypeAdapter(TransferSetConfig)


def test_a_kind_alone_is_a_whole_section():
    assert adapter.validate_python({"kind": "digits"}) == Digits()
    assert adapter.validate_python({"kind": "digits", "augment": "crop_flip"}).augment == CropFlip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": {"kind": "crop_flip", "padding": 0, "flip": False}}, "changes nothing"),
        ({"omit": (3, 3)}, "each class once"),
        ({"omit": (-1,)}, "greater than or equal to 0"),
        ({"fraction": 0.0}, "greater than 0"),
        ({"fraction": float("nan")}, "finite"),
        ({"labelled": 1.1}, "less than or equal to 1"),
        ({"validation": 0}, "greater than or equal to 1"),
        ({"validation": 1.0}, "less than 1"),
        ({"validation": True}, "valid"),
        ({"views": 0}, "greater than or equal to 1"),
        ({"root": "~/data"}, "Extra inputs"),
    ],
)
def test_what_a_transfer_set_may_not_say(options, message):
    with pytest.raises(ValidationError, match=message):
        adapter.validate_python({"kind": "digits", **options})
