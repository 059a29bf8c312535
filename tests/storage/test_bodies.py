"""Bodies in pieces."""

import io
import tracemalloc

import pytest

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
