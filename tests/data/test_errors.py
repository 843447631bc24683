from fsd.data.errors import LONG_LINE, LONGEST_LINE, ClipError, error_text

SHORT = "drive holds no videos. Check the path."


def test_a_short_error_is_one_line_with_its_notes() -> None:
    error = ClipError(SHORT)
    error.add_note("What was written is kept.")
    assert error_text(str(error), error) == f"fsd: {SHORT} What was written is kept."


def test_a_long_error_is_divided_between_two_sentences() -> None:
    wrong, fix = f"The video {'x' * LONG_LINE}.mp4 is damaged.", "Copy it again, or name another one."
    assert error_text(f"{wrong} {fix}", ClipError("")).splitlines() == [f"fsd: {wrong}", fix]


def test_a_line_that_stays_long_keeps_its_begin_and_its_end() -> None:
    text = error_text(f"begin {'x' * 2 * LONGEST_LINE} end", ClipError(""))
    assert text.startswith("fsd: begin ")
    assert text.endswith(" end")
    assert len(text) < LONGEST_LINE + 10
