"""Checkpoints of PyTorch, read without PyTorch: what they hold, and what they must not do."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ominix_core.models.torch_file import MAX_PICKLE_BYTES, TorchFileError, read_tensors
from tests.support.torch_files import (
    pickled,
    pickled_text,
    tensor,
    write_archive,
    write_old_file,
    write_torch_file,
)

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def state(content: bytes) -> bytes:
    """A dict of one entry, "w"."""
    return pickled(b"}" + pickled_text("w") + content + b"s")


class TestReading:
    def test_every_kind_of_number(self, path: Path) -> None:
        arrays = {
            "float": np.arange(12, dtype=np.float32).reshape(3, 4),
            "half": np.array([0.5, -2], np.float16),
            "long": np.array(7),
            "empty": np.zeros((0, 4), np.float32),
        }
        found = read_tensors(write_torch_file(path, arrays))
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)

    def test_files_of_old_versions(self, path: Path) -> None:
        arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "v": np.array([1, 2])}
        found = read_tensors(write_old_file(path, arrays))
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)

    @pytest.mark.parametrize("name", ["torch.pt", "torch-before-1.6.pt"])
    def test_what_pytorch_itself_has_written(self, name: str) -> None:
        golden = Path(__file__).parent / "golden"
        found = read_tensors(golden / name)
        with np.load(golden / "paraformer.npz") as arrays:
            expected = {key.removeprefix("torch_"): arrays[key] for key in arrays.files if key.startswith("torch_")}
        assert found.keys() == expected.keys()
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key].astype(np.float32), array, strict=True)

    def test_bfloat16_becomes_float32(self, path: Path) -> None:
        bits = (np.array([1.5, -0.25], np.float32).view(np.uint32) >> 16).astype(np.uint16)
        found = read_tensors(write_torch_file(path, {"w": bits}))["w"]
        assert found.dtype == np.float32
        assert found.tolist() == [1.5, -0.25]

    def test_weights_are_found_among_what_training_saves(self, path: Path) -> None:
        weights = b"}" + pickled_text("module.w") + tensor(ONES, "0") + b"s"
        content = pickled(b"}" + pickled_text("epoch") + b"K\x05s" + pickled_text("state_dict") + weights + b"s")
        assert list(read_tensors(write_archive(path, content, {"0": ONES.tobytes()}))) == ["w"]

    def test_several_tensors_may_share_their_data(self, path: Path) -> None:
        data = np.arange(6, dtype=np.float32)
        rows = tensor(data, "0", shape=(2, 2), offset=2)
        content = pickled(b"}" + pickled_text("all") + tensor(data, "0") + b"s" + pickled_text("part") + rows + b"s")
        found = read_tensors(write_archive(path, content, {"0": data.tobytes()}))
        assert found["part"].tolist() == [[2, 3], [4, 5]]

    def test_it_stays_on_disk_and_cannot_be_written(self, path: Path) -> None:
        found = read_tensors(write_torch_file(path, {"w": ONES}))["w"]
        assert not found.flags.owndata
        assert not found.flags.writeable


class Bomb:
    """What it leaves behind shows that a pickle was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


class TestMalice:
    @pytest.mark.parametrize("protocol", [0, 2, 5])
    def test_nothing_is_run(self, path: Path, protocol: int) -> None:
        sprung = path.parent / "sprung"
        write_archive(path, pickle.dumps({"w": Bomb(sprung)}, protocol), {})
        with pytest.raises(TorchFileError, match=r"wants to run (io|_io|builtins|__builtin__)\.open.* not run"):
            read_tensors(path)
        assert not sprung.exists()

    @pytest.mark.parametrize(
        "call",
        [
            b"cos\nsystem\n(" + pickled_text("true") + b"tR",
            b"cposix\nsystem\n(" + pickled_text("true") + b"tR",
            b"(" + pickled_text("true") + b"ios\nsystem\n",
            pickled_text("os") + pickled_text("system") + b"\x93",
            b"cbuiltins\neval\n(" + pickled_text("1") + b"tR",
            b"ctorch._utils\n__builtins__\n",
            b"ctorch.hub\nload\n(tR",
            b"ccollections\nnamedtuple\n(tR",
            b"cominix_core.models.torch_file\nread_tensors\n(tR",
            b"\x82\x01",  # an extension of the pickle module
        ],
    )
    def test_only_what_weights_need_is_looked_up(self, path: Path, call: bytes) -> None:
        with pytest.raises(TorchFileError):
            read_tensors(write_archive(path, state(call), {}))

    @pytest.mark.parametrize(
        "described",
        [
            tensor(ONES, "0", shape=(2, 4)),
            tensor(ONES, "0", shape=(1 << 40, 1 << 40)),
            tensor(ONES, "0", offset=1),
            tensor(ONES, "0", offset=-1),
            tensor(ONES, "0", shape=(-2, -3)),
            tensor(ONES, "0", count=1 << 40),
            tensor(ONES, "0", count=-6),
            tensor(ONES, "1"),
            tensor(ONES, "../../0"),
            tensor(ONES.astype(np.float16), "0"),
            b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x02tR",
            b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00K\x05K\x05tR",
            b"ctorch\nFloatStorage\nQ",
        ],
    )
    def test_tensors_that_cannot_be(self, path: Path, described: bytes) -> None:
        with pytest.raises(TorchFileError):
            read_tensors(write_archive(path, state(described), {"0": ONES.tobytes()}))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x80\x02",
            b"}.",
            b"K\x01.",
            b"\x80\xff}.",
            b"r\xff\xff\xff\x7f}.",
            b"\x8d" + b"\xff" * 8,
            b"\x8e\x00\x00\x00\x00\x00\x00\x00\x40",
            b"(" * 1000,
            b"h\x05.",
            b"tR.",
        ],
    )
    def test_lists_of_tensors_that_are_none(self, path: Path, content: bytes) -> None:
        with pytest.raises(TorchFileError):
            read_tensors(write_archive(path, content, {}))

    def test_an_index_that_names_a_huge_table_takes_no_memory(self, path: Path) -> None:
        content = pickled(b"}r\xff\xff\xff\x7f" + pickled_text("w") + tensor(ONES, "0") + b"s")
        assert read_tensors(write_archive(path, content, {"0": ONES.tobytes()}))["w"].shape == (2, 3)

    def test_nothing_gets_attributes(self, path: Path) -> None:
        defaults = b"N}" + pickled_text("__defaults__") + b"K\x01\x85s\x86"
        content = pickled(
            b"}" + pickled_text("w") + tensor(ONES, "0") + b"sctorch._utils\n_rebuild_tensor_v2\n" + defaults + b"b0"
        )
        assert read_tensors(write_archive(path, content, {"0": ONES.tobytes()}))["w"].shape == (2, 3)
        from ominix_core.models import torch_file

        assert torch_file._rebuild_tensor.__defaults__ is None


class TestDamage:
    @pytest.mark.parametrize("write", [write_torch_file, write_old_file])
    def test_every_truncation_is_noticed(self, path: Path, write: Callable[..., Path]) -> None:
        whole = write(path, {"w": ONES, "v": ONES}).read_bytes()
        for length in range(0, len(whole), 23):
            path.write_bytes(whole[:length])
            with pytest.raises(TorchFileError):
                read_tensors(path)

    @pytest.mark.parametrize("write", [write_torch_file, write_old_file])
    def test_any_damaged_byte_ends_in_a_sentence_or_does_no_harm(self, path: Path, write: Callable[..., Path]) -> None:
        whole = write(path, {"w": ONES}).read_bytes()
        for position in range(0, len(whole), 3):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
            try:
                found = read_tensors(path)
            except TorchFileError:
                continue
            assert all(array.size <= ONES.size for array in found.values())

    def test_what_is_no_such_file(self, path: Path) -> None:
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(TorchFileError, match="damaged"):
            read_tensors(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "<w/>")
        with pytest.raises(TorchFileError, match="not a file of PyTorch"):
            read_tensors(path)

    def test_packed_data(self, path: Path) -> None:
        data = np.zeros(4096, np.float32)
        write_archive(path, state(tensor(data, "0")), {"0": data.tobytes()}, zipfile.ZIP_DEFLATED)
        with pytest.raises(TorchFileError, match="PyTorch does not use"):
            read_tensors(path)

    def test_a_list_too_long(self, path: Path) -> None:
        write_archive(path, b" " * (MAX_PICKLE_BYTES + 1), {}, zipfile.ZIP_DEFLATED)
        with pytest.raises(TorchFileError, match="larger than it can be"):
            read_tensors(path)

    def test_another_byte_order(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", state(tensor(ONES, "0")))
            archive.writestr("a/byteorder", "big")
        with pytest.raises(TorchFileError, match="byte order"):
            read_tensors(path)
        write_old_file(path, {"w": ONES}, little_endian=False)
        with pytest.raises(TorchFileError, match="byte order"):
            read_tensors(path)

    def test_a_missing_file(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_tensors(path)
