"""q(X): readers, splits, padding and the made sequences."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from figures import worlds
from rnnvae_ref import RNN, Gaussian, data, log_likelihood_steps


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def lines_of(text):
    return [text.decode(X) for X in (text.train, text.validation, text.test)]


def test_colour_names_are_949_split_once_and_for_all():
    names = data.colour_names()
    parts = lines_of(names)
    assert [len(part) for part in parts] == [700, 100, 149]
    assert len({*parts[0], *parts[1], *parts[2]}) == 949 and "cloudy blue" in {
        *parts[0],
        *parts[1],
        *parts[2],
    }
    assert names.alphabet == "\n '/abcdefghijklmnopqrstuvwxyz"
    assert_array_equal(names.train, data.colour_names().train)
    assert [part[:3] for part in parts] == [
        ["brownish purple", "beige", "light blue grey"],
        ["lavender blue", "purple pink", "dark"],
        ["washed out green", "deep aqua", "dark pastel green"],
    ]


def test_every_line_ends_with_an_end_symbol_that_is_counted():
    names = data.colour_names()
    X = names.encode(["red", "blue green"])
    assert X.shape == (11, 2) and (X[3, 0], X[10, 1]) == (0, 0) and (X[4:, 0] == -1).all()
    assert names.decode(X) == ["red", "blue green"]


def test_decode_cuts_at_the_end_symbol_and_skips_padding():
    text = data.Text("\nab", *[np.zeros((1, 1), int)] * 3)
    assert text.decode(np.array([[1, 2, 0], [0, 2, 1], [2, -1, 1]])) == ["a", "bb", ""]


def test_encode_and_decode_say_what_is_wrong():
    text = data.Text("\nab", *[np.zeros((1, 1), int)] * 3)
    for lines in ("ab", None, ["a", 1], [None]):
        with pytest.raises(ValueError, match="lines must be a list of strings; got"):
            text.encode(lines)
    with pytest.raises(ValueError, match=r"'Q' in 'aQ\\n' is not in the alphabet '\\nab'$"):
        text.encode(["aQ"])
    with pytest.raises(ValueError, match=r"'\\n' ends a line and must not be in one; got 'a\\nb'"):
        text.encode(["a\nb"])
    for X in (np.array([1, 2]), np.array([[1.0]]), np.array([[3]]), np.array([[-2]]), [[1]]):
        with pytest.raises(ValueError, match=r"X must be \(T, N\) integers in 0\.\.2"):
            text.decode(X)


def test_characters_reads_any_utf8_text_one_sequence_a_line(tmp_path):
    lines = ["grün", "日本", "née"] * 4
    for newline, encoding in [("\n", "utf-8"), ("\r\n", "utf-8-sig")]:
        text = data.characters(
            write(tmp_path / "a.txt", newline.join(["", *lines, " \t", ""]), encoding)
        )
        assert sorted(line for part in lines_of(text) for line in part) == sorted(lines)
        assert text.alphabet == "".join(sorted(set("\ngrün日本née")))
        assert [len(part) for part in lines_of(text)] == [8, 2, 2]


def test_characters_knows_every_symbol_of_the_file_unless_it_is_told_not_to(tmp_path):
    """One letter that occurs once, in a held-out line: most name lists have one."""
    path = write(tmp_path / "rare.txt", "\n".join(chr(ord("a") + i) for i in range(9)))
    text = data.characters(path)
    assert text.alphabet == "\nabcdefghi"
    assert sorted(line for part in lines_of(text) for line in part) == list("abcdefghi")
    lacking = r"'.' in '.\\n' is not in the alphabet '\\n[a-i]{7}'$"  # nine lines, two held out
    with pytest.raises(ValueError, match=lacking):
        data.characters(path, alphabet="train")
    for alphabet in ("abcdefghi", "\nihgfedcba"):
        assert data.characters(path, alphabet).alphabet == "\nabcdefghi"
    with pytest.raises(ValueError, match=r"'i' in 'i\\n' is not in the alphabet '\\nabcdefgh'$"):
        data.characters(path, alphabet="abcdefgh")
    common = write(tmp_path / "common.txt", "ab\n" * 9)
    assert data.characters(common, alphabet="train").alphabet == "\nab"
    for wrong in (None, 3, ["a"]):
        with pytest.raises(ValueError, match='alphabet must be "file", "train" or a string of all'):
            data.characters(path, wrong)


def test_held_out_lines_that_are_also_trained_on_are_counted(tmp_path):
    lines = [f"line {i}" for i in range(20)]
    assert data.characters(write(tmp_path / "a.txt", "\n".join(lines))).repeated() == (0, 6)
    text = data.characters(write(tmp_path / "b.txt", "\n".join([*lines[:10] * 2])))
    train, validation, test = lines_of(text)
    twice = [line for line in validation + test if line in train]
    assert text.repeated() == (len(twice), 6) and 0 < len(twice)


def test_a_prefix_has_no_end_symbol_and_may_be_shorter_than_others():
    text = data.Text("\nab")
    assert_array_equal(text.encode(["ab", "b"], end=False), [[1, 2], [2, -1]])
    assert text.decode(text.encode(["ab", "b"], end=False)) == ["ab", "b"]
    with pytest.raises(ValueError, match="none may be empty"):
        text.encode(["ab", ""], end=False)
    for wrong in (0, "no", np.zeros(2)):
        with pytest.raises(ValueError, match="end must be True, False or None; got"):
            text.encode(["ab"], end=wrong)


def test_running_text_is_cut_into_pieces_in_order(tmp_path):
    running = "".join(chr(97 + i % 7) + "\n" * (i % 5 == 0) for i in range(100))  # 120 symbols
    text = data.text(write(tmp_path / "a.txt", running), 10)
    train, validation, test = lines_of(text)
    assert [len(part) for part in (train, validation, test)] == [8, 2, 2]
    assert "".join(train + validation + test) == running and not text.lines
    assert (text.train >= 0).all() and text.alphabet == "\nabcdefg"
    assert_array_equal(text.encode(["a\nb"]), [[1], [0], [2]])  # a line end is a symbol in it
    train, validation, test = lines_of(data.text(tmp_path / "a.txt", 11))
    assert "".join(train + validation + test) == running[:110]
    with pytest.raises(ValueError, match="must hold at least 3 pieces, to be split; it has 2"):
        data.text(tmp_path / "a.txt", 50)
    with pytest.raises(ValueError, match="length must be a whole number, 1 or larger; got 0"):
        data.text(tmp_path / "a.txt", 0)


READERS = {
    "characters": data.characters,
    "text": lambda p: data.text(p, 2),
    "series": lambda p: data.series(p, "v"),
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_say_what_is_wrong_with_a_file(tmp_path, monkeypatch, reader):
    read = READERS[reader]
    with pytest.raises(FileNotFoundError, match=r"no\.txt"):
        read(tmp_path / "no.txt")
    with pytest.raises(IsADirectoryError, match="must be a file, and is a folder"):
        read(tmp_path)
    for wrong in (None, 3, ["a.txt"]):
        with pytest.raises(ValueError, match="path must name a file; got"):
            read(wrong)
    wanted = r"a\.txt must be UTF-8 text of at most 1 GiB, not binary, UTF-16 or Latin-1"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "latin-1"):
        with pytest.raises(ValueError, match=wanted):
            read(write(tmp_path / "a.txt", "v\ngrün\nblau\nrot\n", encoding))
    for content in (np.random.default_rng(0).bytes(1000), b"v\n1\n\0\n2\n3\n"):
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(ValueError, match=wanted):
            read(tmp_path / "a.txt")
    monkeypatch.setattr(data, "MOST_BYTES", 20)
    with pytest.raises(ValueError, match=wanted):
        read(write(tmp_path / "a.txt", "v" * 21))


def test_characters_wants_three_lines_and_no_line_that_would_fill_the_memory(tmp_path):
    for content, N in {"": 0, "one line only": 1, "one line only\n \n": 1, "two\nlines": 2}.items():
        with pytest.raises(
            ValueError, match=f"at least 3 lines that are not blank, .* it has {N}$"
        ):
            data.characters(write(tmp_path / "a.txt", content))
    long = write(tmp_path / "long.txt", "\n".join(["ab"] * 30_000 + ["long " * 4000]))
    wanted = r"long\.txt takes over 1 GiB, 30001 times 20000 symbols: cut long lines, or use data"
    with pytest.raises(ValueError, match=wanted):
        data.characters(long)


def test_the_two_series_are_the_published_ones():
    nile, faithful = data.nile(), data.old_faithful()
    raw = (nile.X * nile.scale + nile.mean)[:, 0, 0]
    assert_allclose(raw[[0, 1, 99]], [1120, 1160, 740], rtol=1e-12)
    assert_allclose(
        [raw.sum(), len(raw)], [91935, 100], rtol=1e-12
    )  # mean 919.35, as in Durbin and Koopman
    assert (faithful.train, faithful.validation, faithful.test) == (
        slice(0, 150),
        slice(150, 200),
        slice(200, 299),
    )
    waiting = data.old_faithful("waiting_minutes")
    raw = (waiting.X * waiting.scale + waiting.mean)[:, 0, 0]
    assert (raw[0], len(raw), raw.min(), raw.max()) == pytest.approx((80, 299, 43, 108))


def test_a_short_eruption_is_never_followed_by_a_short_one():
    """The fact that makes durations two-humped (C9), in minutes: short is below 3."""
    d = data.old_faithful()
    short = (d.X * d.scale + d.mean)[:, 0, 0] < 3
    assert not (short[:-1] & short[1:]).any()
    assert 0.5 < short[1:][~short[:-1]].mean() < 0.6


def test_series_are_standardised_by_their_training_part_alone():
    for s in (data.nile(), data.old_faithful(), worlds.membrane()):
        assert_allclose([s.X[s.train].mean(), s.X[s.train].std()], [0, 1], atol=1e-12)
        assert (
            s.train.start == 0
            and s.train.stop == s.validation.start
            and s.validation.stop == s.test.start
        )
        assert s.test.stop == len(s.X) and s.X.shape[1:] == (1, 1)
        assert abs(s.X.std() - 1) > 1e-4  # not by all of it


def test_membrane_comes_from_matplotlib_or_says_what_is_missing(monkeypatch, tmp_path):
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "sample_data" / "membrane.dat"
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("ab795b429201a5bb")
    s = worlds.membrane()
    raw = (s.X * s.scale + s.mean)[:, 0, 0]
    assert (s.train, s.validation, s.test) == (slice(0, 1182), slice(1182, 1505), slice(1505, 2150))
    assert_allclose(raw[[0, 1182, 1505]], [-40.65934, -35.04274, -26.25153], rtol=1e-6)
    assert -90 < raw.min() < -20 and 0 < raw.max() < 90  # millivolts, with spikes
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"membrane\.dat is missing: this matplotlib lacks its sample data"
    ):
        worlds.membrane()


def test_membrane_takes_every_nth_value_where_enough_are_left():
    s, all_of_it = worlds.membrane(86), worlds.membrane(1)
    assert len(s.X) == 100 and len(all_of_it.X) == 8600
    assert_allclose(
        s.X * s.scale + s.mean, (all_of_it.X * all_of_it.scale + all_of_it.mean)[::86], rtol=1e-12
    )
    for every in (0, -1, 2.5, None):
        with pytest.raises(ValueError, match="every must be a whole number, 1 to 86"):
            worlds.membrane(every)
    with pytest.raises(ValueError, match="every must be a whole number, 1 to 86; got 87"):
        worlds.membrane(87)


def test_series_reads_columns_by_name(tmp_path):
    rows = "\n".join(f"{t},{t * t % 7},x" for t in range(10))
    s = data.series(write(tmp_path / "a.csv", "time,value,note\n" + rows), ["value", "time"])
    assert s.X.shape == (10, 1, 2) and (s.train, s.validation, s.test) == (
        slice(0, 5),
        slice(5, 7),
        slice(7, 10),
    )
    assert_allclose((s.X * s.scale + s.mean)[:, 0, 1], np.arange(10), atol=1e-12)


NOT_FINITE = "column 'value' must hold a finite number; got "
NOT_VARYING = "column 'value' must vary in the training part; it goes from "
CSV = {
    "has no column 'value'; it has time, other": "time,other\n1,2\n",
    "has more than one column 'value'; it has value, b, value": "value,b,value\n1,2,3\n",
    "must hold rows of numbers; it is empty": "\n# nothing\n",
    f"line 3: {NOT_FINITE}nothing; cut": "value,b\n1,2\n,2\n3,4\n5,6\n",
    f"line 4: {NOT_FINITE}'high'": "value,b\n1,2\n2,2\nhigh,4\n3,3\n",
    f"line 2: {NOT_FINITE}'nan'": "value\nnan\n2\n3\n4\n",
    f"line 2: {NOT_FINITE}'inf'": "value\ninf\n2\n3\n4\n",
    f"line 2: {NOT_FINITE}'1_0'": "value\n1_0\n2\n3\n4\n",
    rf"line 2, 6, 7: {NOT_FINITE}'\?'; cut the series with rows=slice\(a, b\), or join its parts "
    "with data.pad": "value\n?\n2\n3\n4\nNA\n\t\n3\n",
    r"line 3: 1 fields with ',' between, the first line has 2": "b,value\n1,2\n2\n3,4\n5,6\n",
    "line 3: 2 fields with ',' between, the first line has 1; a decimal comma needs decimal=','": (
        "value\n1\n1,5\n2\n3\n"
    ),
    f"line 2: {NOT_FINITE}'1,5';.* decimal=','": "value;b\n1,5;1\n2;1\n2;1\n3;1\n",
    "must hold at least 4 rows of numbers; it has 3": "value\n1\n2\n3\n",
    rf"a\.csv: {NOT_VARYING}0\.1 to 0\.1": "value\n" + "0.1\n" * 7 + "2\n" * 7,
    f"{NOT_VARYING}1e-200 to 2e-200": "value\n1e-200\n2e-200\n1e-200\n1\n2\n",
    rf"{NOT_VARYING}-1e\+300 to 1e\+300": "value\n-1e300\n1e300\n1\n1\n2\n",
    r"line 3: unexpected end of data": 't,value,note\n1,1,a\n2,2,"b\n3,3,c\n4,4,"\n5,5,e\n6,6,f\n',
    r"line 3: ',' expected after '\"'": 'value,note\n1,"a"\n2,"b"c\n3,c\n4,d\n',
    r"line 2: field larger than field limit": "value\n" + "1" * 140_000 + "\n2\n3\n4\n",
}


@pytest.mark.parametrize("message", CSV)
def test_series_says_what_is_wrong_and_where(tmp_path, message):
    with pytest.raises(ValueError, match=message):
        data.series(write(tmp_path / "a.csv", CSV[message]), "value")


def values_of(path, columns, **options):
    s = data.series(path, columns, **options)
    return s.decode(s.X)[:, 0].round(12).tolist()


def test_series_finds_the_delimiter_and_skips_comments(tmp_path):
    for d in (",", ";", "\t", "|", " ", "  "):
        content = "# from a\tship; 5 | 6\n\ntime,v a l\n" if d == "," else f"time{d}v\n"
        rows = f"1{d}2\n #\n2{d}4.5\n   \n3{d}3\n4{d} 4\n"
        path = write(tmp_path / "a.csv", content + rows)
        assert values_of(path, 1) == [[2], [4.5], [3], [4]]
    path = write(
        tmp_path / "a.csv", "day time;v\n2020-01-01 10:00;1\n2020-01-01 11:00;2\nx y;3\nx y;5\n"
    )
    assert values_of(path, "v") == [[1], [2], [3], [5]]
    path = write(tmp_path / "a.csv", "heat flow\n1\n2\n3\n5\n")  # one column, a blank in its name
    assert values_of(path, "heat flow") == [[1], [2], [3], [5]]
    path = write(tmp_path / "a.csv", "v:w\n1:2\n2:1\n3:4\n5:5\n")
    assert values_of(path, "w", delimiter=":") == [[2], [1], [4], [5]]
    for wrong in (":;", "", 3):
        with pytest.raises(ValueError, match=r"a\.csv, line 1: .*delimiter"):
            data.series(path, "w", delimiter=wrong)


def test_series_reads_quoted_fields_and_a_decimal_comma_when_asked(tmp_path):
    path = write(tmp_path / "a.csv", '"a, b",v\n"x ""y""",1\n"x, y",2\nz,"3"\nz,4\n')
    assert values_of(path, "v") == [[1], [2], [3], [4]]
    path = write(tmp_path / "a.csv", "v;w\n1,5;1\n2;2\n-0,25;3\n1e2;4\n")
    assert values_of(path, "v", decimal=",") == [[1.5], [2], [-0.25], [100]]
    with pytest.raises(ValueError, match=r"line 2, 4: .*got '1,5'"):
        data.series(path, "v")
    path = write(tmp_path / "a.csv", "v\n1,5\n2\n3\n4\n")
    assert values_of(path, "v", decimal=",") == [[1.5], [2], [3], [4]]
    path = write(tmp_path / "a.csv", "v\n1.000,5\n2\n3\n4\n")
    with pytest.raises(
        ValueError, match=r"line 2: column 'v' must hold a finite number; got '1\.000,5'"
    ):
        data.series(path, "v", decimal=",")


def test_series_takes_columns_by_number_and_files_without_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "1,5\n2,6\n3,8\n4,8\n5,9\n")
    assert values_of(path, [1, 0], header=False) == [[5, 1], [6, 2], [8, 3], [8, 4], [9, 5]]
    assert values_of(path, "1", header=False)[0] == [5]
    assert values_of(path, "5") == [[6], [8], [8], [9]]  # a name of digits is a name
    with pytest.raises(
        ValueError, match="has numbers only in its first line; then give header=False"
    ):
        data.series(path, 1)
    for wrong in (2, -1, True, 1.0, None, "v", {}):
        with pytest.raises(ValueError, match=rf"a\.csv has no column {wrong!r}; it has 0, 1"):
            data.series(path, wrong, header=False)
    with pytest.raises(ValueError, match="columns must name at least one column; got list"):
        data.series(path, [])


def test_series_is_cut_by_rows(tmp_path):
    path = write(tmp_path / "a.csv", "v\nNA\n1\n2\n3\n5\n\nNA\n")
    assert values_of(path, "v", rows=slice(1, 5)) == [[1], [2], [3], [5]]
    with pytest.raises(ValueError, match=r"a\.csv, line 2, 8: column 'v'"):
        data.series(path, "v")
    with pytest.raises(ValueError, match="at least 4 rows of numbers; it has 3"):
        data.series(path, "v", rows=slice(1, 4))
    for changes, wanted in (
        ({"header": 1}, "header must be True or False; got 1"),
        ({"rows": 3}, "rows must be a slice or None; got 3"),
        ({"rows": (1, 5)}, "rows must be a slice or None; got tuple"),
        ({"decimal": ";"}, r'decimal must be "\." or ","; got \';\''),
        ({"decimal": None}, r'decimal must be "\." or ","; got None'),
    ):
        with pytest.raises(ValueError, match=wanted):
            data.series(path, "v", **changes)


def test_units_of_the_file_go_both_ways():
    s = data.nile()
    values = s.decode(s.X)
    assert_allclose(values[:3, 0, 0], [1120, 1160, 963], rtol=1e-12)
    for other in (values[:, 0], values[:, 0, 0], values[:, 0, 0].tolist()):
        assert_allclose(s.encode(other), s.X, atol=1e-12)
    for wrong in (
        np.zeros((3, 2)),
        [1.0, np.nan],
        [],
        None,
        "x",
        ["x"],
        {},
        RNN(Gaussian(), 1),
        1j,
    ):
        with pytest.raises(ValueError, match=r"values must be finite numbers, \(T, 1\); got"):
            s.encode(wrong)


def test_a_score_moves_to_the_units_of_the_file_by_the_log_of_the_scale():
    s, rnn = data.nile(), RNN(Gaussian(), 1)
    theta = {key: np.zeros(shape) for key, shape in rnn.shapes().items()}  # x_t ~ N(0, 1) in X
    steps = log_likelihood_steps(rnn, theta, s.X)[:, 0] - np.log(s.scale).sum()
    values = s.decode(s.X)[:, 0, 0]
    expected = -0.5 * ((values - s.mean) / s.scale) ** 2 - np.log(s.scale * np.sqrt(2 * np.pi))
    assert_allclose(steps, expected, rtol=1e-12)


def test_series_refuses_a_split_that_is_none(tmp_path):
    path = write(tmp_path / "a.csv", "v,w\n1,2\n2,1\n3,5\n4,4\n")
    splits = [(0.7, 0.5), (50, 70), (0.5, 0.5), (-1, 0.5), (0.0, 0.5), (0.5, 1.0), (0.5, np.nan)]
    for split in [*splits, 0.5, (0.5,), (0.2, 0.5, 0.7), ("a", "b"), None]:
        with pytest.raises(ValueError, match="split must be two fractions a, b with 0 < a < b < 1"):
            data.series(path, "v", split)


def test_every_part_of_a_short_series_has_a_row(tmp_path):
    path = write(tmp_path / "a.csv", "v\n1\n2\n3\n4\n5\n")
    for split, (a, b) in {
        (0.5, 0.51): (2, 3),
        (0.01, 0.02): (2, 3),
        (0.98, 0.99): (3, 4),
        (0.6, 0.8): (3, 4),
    }.items():
        s = data.series(path, "v", split)
        assert (s.train, s.validation, s.test) == (slice(0, a), slice(a, b), slice(b, 5))


@pytest.mark.parametrize(("gaps", "told"), [(8, "9:"), (9, r"9 \.\.:")])
def test_series_names_the_first_eight_lines_with_a_gap(tmp_path, gaps, told):
    path = write(tmp_path / "a.csv", "v\n" + "x\n" * gaps + "1\n2\n3\n4\n")
    with pytest.raises(ValueError, match=rf"a\.csv, line 2, 3, 4, 5, 6, 7, 8, {told} column 'v'"):
        data.series(path, "v")


def test_pad_fills_tails_with_minus_one_or_nan():
    assert_array_equal(data.pad([[1, 2, 3], [4]]), [[1, 4], [2, -1], [3, -1]])
    X = data.pad([np.ones((2, 2)), np.zeros((1, 2))])
    assert X.shape == (2, 2, 2) and np.isnan(X[1, 1]).all() and not np.isnan(X[:, 0]).any()
    for empty in ([], [[1], []], [np.ones((2, 0))], np.zeros((0, 2))):
        with pytest.raises(ValueError, match="none may be empty"):
            data.pad(empty)
    for wrong in (None, 3, np.zeros(()), {}, (x for x in ([1], [2]))):
        with pytest.raises(ValueError, match="sequences must be a list of arrays; got"):
            data.pad(wrong)


def test_pad_never_mixes_or_truncates():
    M1, M2 = np.ones((3, 1)), np.ones((3, 2))
    for wrong in (
        [[1, 2], [0.5]],
        [[1], M1],
        [M1, [1]],
        [M1, M2],
        [M2, M1],
        [["a"]],
        ["abc"],
        [None],
        [[0.5, 1.5]],
        [[[1, 2]]],
    ):
        with pytest.raises(
            ValueError,
            match=r"sequences\[\d\] must be \(T,\) integers or \(T, M\) floats, all of one kind",
        ):
            data.pad(wrong)


def test_windows_cut_a_series_in_order():
    X = np.arange(7.0)[:, None, None]
    assert_array_equal(data.windows(X, 3)[:, :, 0], [[0, 3], [1, 4], [2, 5]])
    assert not np.shares_memory(data.windows(X, 3), X) and not np.shares_memory(
        data.windows(X, 7), X
    )
    for wrong in (np.zeros((7, 2, 1)), np.zeros((7, 1)), [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"X must be one series, \(T, 1, M\); got"):
            data.windows(wrong, 3)
    for length in (0, 2.5):
        with pytest.raises(ValueError, match="length must be a whole number, 1 to 7"):
            data.windows(X, length)
    with pytest.raises(ValueError, match="length must be a whole number, 1 to 7; got 8"):
        data.windows(X, 8)


def test_the_markov_chain_scores_itself_truly():
    P = np.array([[0.9, 0.1], [0.3, 0.7]])
    X, log_p = worlds.markov_chain(np.random.default_rng(0), P, 50, 400)
    assert_allclose(log_p[1:], np.log(P[X[:-1], X[1:]]), rtol=1e-12)
    assert_allclose(log_p[0], np.log(0.5), rtol=1e-12)
    moves, n = X[1:][X[:-1] == 0], (X[:-1] == 0).sum()
    assert abs(moves.mean() - 0.1) < 5 * np.sqrt(0.09 / n)
    for P in ([[0.5, 0.6], [0.5, 0.5]], [[1.5, -0.5], [0.5, 0.5]], [[0.5, 0.5]], [1.0], None):
        with pytest.raises(ValueError, match="P must be a square matrix, its rows and `first`"):
            worlds.markov_chain(np.random.default_rng(0), P, 2, 1)
    with pytest.raises(ValueError, match="`first` probabilities"):
        worlds.markov_chain(np.random.default_rng(0), np.eye(2), 2, 1, [0.5, 0.6])


def test_the_markov_chain_draws_each_of_three_symbols_as_often_as_it_says():
    P = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    X, log_p = worlds.markov_chain(np.random.default_rng(0), P, 30, 1000)
    assert_array_equal(log_p[0], np.log(1 / 3))
    counts = np.bincount(X[0], minlength=3)
    assert (abs(counts / 1000 - 1 / 3) < 5 * np.sqrt(2 / 9 / 1000)).all()
    for i, row in enumerate(P):
        after = X[1:][X[:-1] == i]
        share = np.bincount(after, minlength=3) / len(after)
        assert (abs(share - row) < 5 * np.sqrt(row * (1 - row) / len(after))).all()


def test_made_sequences_say_what_is_wrong():
    rng = np.random.default_rng(0)
    made = [
        lambda rng, T, N: worlds.markov_chain(rng, np.eye(2), T, N),
        lambda rng, T, N: worlds.autoregression(rng, 0.8, 0.5, T, N),
        worlds.fork,
    ]
    for make in made:
        for arguments, message in [
            ((rng, 0, 1), "T must be a whole number, 1 or larger; got 0"),
            ((rng, 2, 1.5), r"N must be a whole number, 1 or larger; got 1\.5"),
            ((0, 2, 1), "rng must be a numpy Generator.*; got 0"),
        ]:
            with pytest.raises(ValueError, match=message):
                make(*arguments)
    for s in (0, -1.0, None, "1", np.nan):
        with pytest.raises(ValueError, match="s must be a finite number, 1e-150 or larger; got"):
            worlds.autoregression(rng, 0.8, s, 2, 1)
    for a, s in ((np.nan, 1.0), (None, 1.0), (0.5, np.inf)):
        with pytest.raises(ValueError, match=r"(a|s) must be a finite number"):
            worlds.autoregression(rng, a, s, 2, 1)


def test_the_autoregression_scores_itself_truly():
    X, log_p = worlds.autoregression(np.random.default_rng(0), 0.8, 0.5, 20, 30)
    residual = (X - 0.8 * np.concatenate([np.zeros((1, 30, 1)), X[:-1]]))[:, :, 0] / 0.5  # x_0 = 0
    assert_allclose(log_p, -0.5 * residual**2 - np.log(0.5) - 0.5 * np.log(2 * np.pi), rtol=1e-9)
    assert abs(residual.std() - 1) < 5 / np.sqrt(2 * residual.size)


def test_the_fork_scores_itself_truly():
    X, log_p = worlds.fork(np.random.default_rng(0), 25, 400)
    y = (X - 0.8 * np.concatenate([np.zeros((1, 400, 1)), X[:-1]]))[:, :, 0]  # x_0 = 0
    density = (
        sum(np.exp(-0.5 * ((y - z) / 0.1) ** 2) / (0.1 * np.sqrt(2 * np.pi)) for z in (-1, 1)) / 2
    )
    assert_allclose(log_p, np.log(density), rtol=1e-6)
    exact = (
        -np.log(2) + 0.5 * (-1 - np.log(2 * np.pi)) - np.log(0.1)
    )  # two bumps that do not overlap
    assert_allclose(exact, 0.1905, atol=5e-5)
    assert abs(log_p.mean() - exact) < 5 * log_p.std() / np.sqrt(log_p.size)
