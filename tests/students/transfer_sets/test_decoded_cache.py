import threading

import numpy as np
import pytest

from students.transfer_sets.decoded_cache import empty_array, load_or_make
from students.transfer_sets.examples import measured


def make(folder):
    inputs = empty_array(folder, (6, 1, 2, 2))
    inputs[:] = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    return measured(inputs, np.arange(6) % 2, ("a", "b"), 4)


def test_those_who_come_while_it_is_made_wait_for_it(tmp_path):
    begun, may_end, made, found = threading.Event(), threading.Event(), [], []

    def slowly(folder):
        made.append(folder)
        begun.set()
        may_end.wait(10)
        return make(folder)

    def ask():
        found.append(load_or_make(["x"], cache=tmp_path, make=slowly))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert [examples.inputs[:, 0, 0, 0].tolist() for examples in found] == [list(range(6))] * 3


def test_another_key_is_made_apart(tmp_path):
    load_or_make(["x"], cache=tmp_path, make=make)
    with pytest.raises(ZeroDivisionError):
        load_or_make(["y"], cache=tmp_path, make=lambda folder: 1 // 0)
    again = load_or_make(["x"], cache=tmp_path, make=lambda folder: 1 // 0)
    assert (again.class_names, again.train_count) == (("a", "b"), 4)
    assert again.targets.tolist() == [0, 1, 0, 1, 0, 1]


def test_what_a_killed_process_left_behind_is_cleared_away(tmp_path):
    examples = load_or_make(["x"], cache=tmp_path, make=make)
    (place,) = (entry for entry in (tmp_path / "transfer_sets").iterdir() if entry.is_dir())
    left_behind = place.with_name(place.name + "abc")
    place.rename(left_behind)
    again = load_or_make(["x"], cache=tmp_path, make=make)
    assert np.array_equal(again.inputs, examples.inputs)
    assert not left_behind.exists()


def test_the_file_is_shared_and_not_read_whole(tmp_path):
    load_or_make(["x"], cache=tmp_path, make=make)
    assert isinstance(load_or_make(["x"], cache=tmp_path, make=make).inputs, np.memmap)


@pytest.mark.parametrize("content", ["null", "[1, 2]", "{}", "[{}, 1, 2]"])
def test_facts_of_another_form_are_made_again(tmp_path, content):
    load_or_make(["x"], cache=tmp_path, make=make)
    (file,) = (tmp_path / "transfer_sets").glob("*/facts.json")
    file.write_text(content)
    assert load_or_make(["x"], cache=tmp_path, make=make).train_count == 4


def test_a_fact_of_which_a_digit_has_changed_is_made_again(tmp_path):
    std = load_or_make(["x"], cache=tmp_path, make=make).std
    (file,) = (tmp_path / "transfer_sets").glob("*/facts.json")
    file.write_text(file.read_text().replace(str(std[0]), "0.5"))
    assert load_or_make(["x"], cache=tmp_path, make=make).std == std


@pytest.mark.parametrize("name", ["inputs.npy", "targets.npy"])
def test_an_array_of_which_a_byte_has_changed_is_made_again(tmp_path, name):
    load_or_make(["x"], cache=tmp_path, make=make)
    (file,) = (tmp_path / "transfer_sets").glob(f"*/{name}")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    again = load_or_make(["x"], cache=tmp_path, make=make)
    assert again.inputs[:, 0, 0, 0].tolist() == list(range(6))
    assert again.targets.tolist() == [0, 1, 0, 1, 0, 1]
