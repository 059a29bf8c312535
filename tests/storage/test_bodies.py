"""Bodies in pieces."""

import gzip
import io
import os
import tempfile
import tracemalloc

import pytest
from werkzeug.datastructures import FileStorage

from modern_flask.storage.bodies import PART, Part, Source, iterate_part_sizes
from modern_flask.storage.checksums import Crc64

MIB = 1024 * 1024


def test_source_cuts_exactly():
    """Parts have the requested size whatever the pieces are, and the sums fit."""
    source = Source(iter([b"abc", b"", b"defgh", b"i"]))
    cut = []
    while not source.has_ended:
        with source.read_part(4) as part:
            cut.append((bytes(part.content().read()), part.size))

    whole = Crc64()
    whole.update(b"abcdefghi")
    assert cut == [(b"abcd", 4), (b"efgh", 4), (b"i", 1)]
    assert (source.size, source.crc64) == (9, whole.value)


def test_source_reads_no_further_than_needed():
    """A body is not read ahead of what is sent by more than one piece."""
    taken = []

    def body():
        for number in range(10):
            taken.append(number)
            yield b"x" * 100

    source = Source(body())
    source.read_part(300).close()

    assert len(taken) == 3


def test_part_can_be_sent_again():
    """The content of a part begins at its first byte each time."""
    with Source(b"abc").read_part(10) as part:
        assert part.content().read() == part.content().read() == b"abc"
        assert len(part.content()) == 3
        assert list(part.content()) == [b"abc"]


def test_empty_part_is_bytes():
    """An empty part is no file: requests would send that in endless chunks."""
    with Part() as part:
        assert part.content() == b""


def test_part_stays_in_memory_up_to_its_usual_size():
    """A part of the usual size needs no disk; a larger one goes there."""
    with Source(iter([b"x" * (PART + 1)])).read_part(PART) as part:
        assert not part._file._rolled
    with Source(iter([b"x" * (PART + 1)])).read_part(PART + 1) as part:
        assert part._file._rolled


def test_memory_is_bounded():
    """However large a body is, one part of it is held."""
    source = Source(b"x" * MIB for _ in range(64))
    tracemalloc.start()

    while not source.has_ended:
        source.read_part(2 * MIB).close()

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.size == 64 * MIB
    assert peak < 8 * MIB


def test_part_sizes_grow():
    """Ten thousand parts of 8 MiB would end at 80 GiB; growing ones hold terabytes."""
    sizes = list(iterate_part_sizes(PART))

    assert len(sizes) == 10_000
    assert sizes[:1000] == [PART] * 1000
    assert sizes[1000] == 2 * PART
    assert sum(sizes) > 7 * 1024**4


def test_text_file_is_refused():
    """A file opened as text is refused at its first piece."""
    with pytest.raises(TypeError, match="The body of an object is bytes, not text"):
        Source(io.StringIO("text"))


def open_gzip(path):
    with gzip.open(path, "wb") as file:
        file.write(b"abcdef")
    return gzip.open(path, "rb")


def open_spooled(path):
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - the test closes it
    file.write(b"abcdef")
    file.seek(0)
    return file


def open_upload(path):
    return FileStorage(open_spooled(path))


def open_plain(path):
    path.write_bytes(b"abcdef")
    return path.open("rb")


@pytest.mark.parametrize(
    ("open_body", "in_place"),
    [
        (open_plain, True),
        (open_spooled, True),
        (open_upload, True),
        (lambda path: io.BytesIO(b"abcdef"), True),
        (lambda path: io.FileIO(open_plain(path).name), True),
        (open_gzip, False),
        (lambda path: iter([b"abc", b"def"]), False),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_files_that_are_read_in_their_place(tmp_path, open_body, in_place):
    """Only a file that costs nothing to read twice is not copied."""
    body = open_body(tmp_path / "body")
    source = Source(body)

    with source.read_part(4) as first, source.read_part(4) as second:
        assert (first._spool is None) is in_place
        assert [each.content().read() for each in (first, second, first)] == [
            b"abcd",
            b"ef",
            b"abcd",
        ]
        assert first.md5 == "4vxxTEcn7pOV8yTNLn8zHw=="
    assert source.has_ended
    getattr(body, "close", bool)()


def test_text_in_a_spooled_file_is_refused():
    """A spooled file of text is text."""
    with tempfile.SpooledTemporaryFile(mode="w+") as file:
        file.write("text")
        file.seek(0)
        with pytest.raises(TypeError, match="bytes, not text"):
            Source(file)


def test_file_that_became_shorter(tmp_path):
    """A file that is cut while it is sent is an error, not an endless request."""
    with open_plain(tmp_path / "body") as file, Source(file).read_part(9) as part:
        os.truncate(file.name, 2)
        with pytest.raises(ValueError, match="became shorter"):
            list(part.content())


def test_error_of_a_file_comes_through(remote, tmp_path, monkeypatch):
    """What the caller's file raises while it is sent is raised as it is, once."""
    read_part = Source.read_part

    def read_and_cut(source, most):
        part = read_part(source, most)
        os.truncate(tmp_path / "body", 2)
        return part

    monkeypatch.setattr(Source, "read_part", read_and_cut)
    with (
        open_plain(tmp_path / "body") as file,
        pytest.raises(ValueError, match="became shorter"),
    ):
        remote.put("key", file)

    assert not remote.exists("key")
