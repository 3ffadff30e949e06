"""Questions about the keys of a table."""

from pydantic import Field, SecretStr, create_model

from bridge.settings.section import Section, is_pairs, is_table, keys_of, secret_names, section_of, text_of
from bridge.settings.values import Headers


class Inner(Section):
    """A table."""

    depth: int = 1
    """a number"""


class Outer(Section):
    """A table with everything."""

    name: str = ""
    """a text"""
    password: SecretStr = SecretStr("")
    """a secret"""
    headers: Headers = Field(default_factory=dict)
    """a table of secrets"""
    words: dict[str, str] = Field(default_factory=dict)
    """a table"""
    inner: Inner | None = None
    """a table of its own"""


def test_a_secret_may_stand_in_a_file_and_nothing_else_may() -> None:
    assert secret_names(Outer) == ["password", "headers"]
    assert keys_of(Outer) == ["name", "password", "headers", "words", "inner", "password_file", "headers_file"]


def test_tables_are_told_apart_by_who_chooses_their_keys() -> None:
    fields = Outer.model_fields
    assert [name for name, field in fields.items() if is_table(field)] == ["headers", "words"]
    assert [name for name, field in fields.items() if is_pairs(field)] == ["headers"]
    assert {name: section_of(field) for name, field in fields.items() if section_of(field)} == {"inner": Inner}


def test_a_field_says_its_docstring_in_one_line_wherever_it_is_inherited() -> None:
    class Below(Outer):
        """More."""

        name: str = ""
        """another text
        of two lines
        """
        bare: int = 1

    made = create_model("Made", __base__=(Below, Inner))
    assert [text_of(made, name) for name in ("name", "headers", "depth", "bare", "elsewhere")] == [
        "another text of two lines",
        "a table of secrets",
        "a number",
        "",
        "",
    ]
