"""Word pieces: the same ids as the sentence model's own tokenizer gives, each with its place in the text."""

from orchestrator.intent.words import MOST_PIECES, pieces


def ids(text: str) -> list[int]:
    return [piece.id for piece in pieces(text)]


def test_pieces_are_those_of_the_models_own_tokenizer() -> None:
    # ids by the package tokenizers with all-MiniLM-L6-v2's tokenizer.json
    assert ids("Jetski racing, naïve!") == [101, 9924, 3211, 3868, 1010, 15743, 999, 102]


def test_each_piece_knows_where_it_stands() -> None:
    text = "Jetski racing"
    assert [text[piece.start : piece.end] for piece in pieces(text)] == ["", "Jetski", "Jetski", "racing", ""]


def test_a_word_too_long_to_be_one_is_unknown_and_a_long_text_is_cut() -> None:
    assert ids("a" * 200) == [101, 100, 102]
    assert len(ids("word " * 500)) == MOST_PIECES
    assert ids("") == [101, 102]
