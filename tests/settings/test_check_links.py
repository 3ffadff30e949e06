"""Every fault of a rule is named at once, with its key and what would be right."""

import re
from pathlib import Path

import pytest

from tests.settings.conftest import Faults, Load

SOURCES = """
[sources.a]
url = "https://a.example/v4"
write = true

[sources.b]
url = "https://b.example/v4"
write = true

[sources.c]
url = "https://c.example/v4"
"""
RULE = '[links.one]\nleft = "a"\nright = "b"\n'
TITLE = '[links.one.fields]\ntitle = { left = "name", right = "name" }\n'


def mapped_by(path: str, rows: list[str]) -> str:
    """A field with these words."""
    return (
        f'[links.one.fields]\ns = {{ left = "{path}", right = "{path}", map = "s" }}\n[links.one.maps]\ns = {rows!r}\n'
    )


def test_a_rule_of_four_lines_works(configured: Load) -> None:
    rule = configured(SOURCES + RULE + 'preset = "tmf656-tmf656"').links["one"]
    assert (rule.create, rule.fields["title"].left, rule.notes.direction) == ("right", ("name",), "both")


def test_what_stands_in_the_rule_wins_over_its_preset(configured: Load) -> None:
    lines = (
        'preset = "tmf656-tmf656"\ncreate = "none"\ncreate_left = {}\n'
        '[links.one.fields]\ntitle = { max_length = 80 }\ncategory = { direction = "none" }\n'
    )
    rule = configured(SOURCES + RULE + lines).links["one"]
    assert (rule.create, rule.create_left) == ("none", {})
    assert (rule.fields["title"].right, rule.fields["title"].max_length) == (("name",), 80)
    assert rule.fields["category"].direction == "none"


def test_a_key_of_a_rule_can_be_set_in_the_environment(configured: Load) -> None:
    rules = configured(
        SOURCES + RULE + 'preset = "tmf656-tmf656"',
        BRIDGE_LINKS__ONE__ENABLED="false",
        BRIDGE_LINKS__ONE__LIMITS__CREATES_PER_HOUR="7",
    ).links
    assert (rules["one"].enabled, rules["one"].limits.creates_per_hour) == (False, 7)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('preset = "tmf"', 'links.one.preset = "tmf": is no preset; known are dataminer-servicenow'),
        (
            'preset = "dataminer-tmf656"',
            'links.one.preset = "dataminer-tmf656": needs a left of kind dataminer or dataminer-api, and a is tmf656',
        ),
        ("", "links.one.fields: has no field; name at least one, or a preset"),
        (
            TITLE.replace('"name" }', '"name", map = "word" }') + '[links.one.maps]\nwords = ["a = b", "c = d"]',
            'links.one.fields.title.map = "word": is no table of maps; did you mean words?',
        ),
        (
            TITLE.replace('"name" }', '"name", template = "{{ value }}" }'),
            "links.one.fields.title.template: needs direction",
        ),
        (
            TITLE.replace('"name" }', '"name", template = "{{ lft.id }}", direction = "left_to_right" }'),
            "links.one.fields.title.template: '{{ lft.id }}' names lft; a template may name value, left, right",
        ),
        (
            TITLE.replace('left = "name"', 'left = "note[0].text"'),
            'links.one.fields.title.left = "note[0].text": is an expression, which can only be read',
        ),
        (TITLE.replace('left = "name"', 'left = "@id"'), 'links.one.fields.title.left = "@id": is read-only'),
        (TITLE.replace('left = "name"', 'left = "note[0"'), "links.one.fields.title.left: 'note[0' is no path"),
        (TITLE + '[links.one.maps]\nx = ["a b"]', "links.one.maps.x: 'a b': a row is `left = right`"),
        (
            mapped_by("status", ["inProgress = inProgress", "closed = inProgress", "held = held"]),
            "links.one.maps.s: left: inProgress, closed mean the same, but not all of them end a ticket",
        ),
        (
            mapped_by("category", ["a = x", "b = x"]),
            "links.one.maps.s: all words mean the same: nothing would ever be carried over",
        ),
        (TITLE + '[links.one.match]\nby = ["key", "number"]', "links.one.match.by: 'number': write \"key\", or"),
        (TITLE + '[links.one.filter]\nleft = "priority <"', "links.one.filter.left: 'priority <' is no path"),
        (
            TITLE + '[links.one.create_right]\nreason = "{{ right.id }}"',
            "links.one.create_right.reason: '{{ right.id }}'",
        ),
        (TITLE + '[links.one.create_right]\n"x[0]" = "a"', "links.one.create_right.x[0]: is no plain path"),
        (
            TITLE + '[links.one.with.right.status]\nclosed = { reason = "{{ left.x" }',
            "links.one.with.right.status.closed.reason: '{{ left.x' is no template",
        ),
        (TITLE + '[links.one.notes]\ntemplate = "{{ who }}"', "links.one.notes.template: '{{ who }}' names who"),
        (
            'create = "right"\n' + TITLE,
            "links.one.create_right.category: is missing; a new ticket of kind tmf656 must have it",
        ),
        ('colour = "red"\n' + TITLE, "links.one.colour: is not a key this program knows"),
        ("[links.one.limits]\nattempts = 0\n" + TITLE, "links.one.limits.attempts = 0: should be greater than"),
    ],
)
def test_a_fault_names_its_key_and_what_would_be_right(faults: Faults, lines: str, fault: str) -> None:
    found = faults(SOURCES + RULE + lines)
    assert [one for one in found if one.startswith(fault)], found


def test_a_source_that_is_written_to_needs_write(faults: Faults, configured: Load) -> None:
    rule = RULE.replace('"b"', '"c"')
    [fault] = faults(SOURCES + rule + TITLE)
    assert fault.startswith("sources.c.write: should be true, because links.one writes title to its right; or set mode")
    configured(SOURCES + rule + 'mode = "plan"\n' + TITLE)
    configured(SOURCES + rule + "enabled = false\n" + TITLE)
    configured(SOURCES + rule + TITLE.replace('"name" }', '"name", direction = "right_to_left" }'))


def test_both_sides_must_be_sources_and_different_ones(faults: Faults) -> None:
    found = faults(SOURCES + RULE.replace('"b"', '"bb"') + TITLE)
    assert found == ['links.one.right = "bb": is no source; known are a, b, c']
    [fault] = faults(SOURCES + RULE.replace('"b"', '"a"') + TITLE)
    assert fault.startswith('links.one.right = "a": is the left one, too')


def test_rules_that_form_a_ring_are_refused_and_a_star_or_two_rules_of_one_pair_are_not(
    faults: Faults, configured: Load
) -> None:
    def rule(name: str, left: str, right: str) -> str:
        sides = f'[links.{name}]\nleft = "{left}"\nright = "{right}"\n'
        return sides + TITLE.replace("links.one", f"links.{name}")

    sources = SOURCES + "write = true\n"
    star = sources + rule("one", "a", "b") + rule("two", "b", "c") + rule("again", "b", "a")
    configured(star)
    [fault] = faults(star + rule("three", "c", "a"))
    assert fault.startswith("links.three: closes a ring: a and c are joined by one, two already")


def test_the_state_of_a_problem_needs_an_endpoint_that_moves_it(faults: Faults) -> None:
    snow = '[sources.snow]\nkind = "servicenow"\nurl = "https://s.example"\ntable = "problem"\nwrite = true\n'
    found = faults(SOURCES + snow + '[links.one]\nleft = "snow"\nright = "b"\npreset = "servicenow-tmf656"')
    wanted = 'links.one.fields.status.left = "state": is not changed by the Table API since Rome: set sources.snow'
    assert [one for one in found if one.startswith(wanted)], found


def test_what_is_written_with_a_field_that_there_is_not_is_a_fault(faults: Faults) -> None:
    rule = '[links.one]\nleft = "a"\nright = "b"\npreset = "tmf656-tmf656"\n'
    [found] = faults(SOURCES + rule + '[links.one.with.right.state]\nclosed = { reason = "done" }\n')
    assert found == "links.one.with.right.state: is no field of the rule; did you mean status?"


@pytest.mark.parametrize(
    ("more", "beside"),
    [('compare = "casefold", map = "m"', "map"), ('compare = "instant", max_length = 9', "max_length")],
)
def test_a_comparison_that_would_not_be_used_is_a_fault(faults: Faults, more: str, beside: str) -> None:
    fields = (
        f'[links.one.fields]\nt = {{ left = "x", right = "x", {more} }}\n[links.one.maps]\nm = ["a = b", "c = d"]\n'
    )
    found = faults(SOURCES + RULE + fields)
    assert [one for one in found if f"has no meaning beside {beside}" in one], found


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('links = "x"', "links: should be tables with a name each"),
        ('[links]\none = "x"', "links.one: should be a table; write [links.one] with left and right below it"),
        ('[links]\nleft = "a"', "links.left: stands in [links] itself; a rule has a name"),
    ],
)
def test_links_of_the_wrong_shape(faults: Faults, lines: str, fault: str) -> None:
    [found] = faults(lines)
    assert found.startswith(fault)


def test_all_faults_of_all_rules_are_named_at_once(faults: Faults) -> None:
    found = faults(
        SOURCES
        + RULE
        + '[links.one.fields]\nt = { left = "@id", right = "x", map = "no" }\n'
        + '[links.two]\nleft = "a"\nright = "nowhere"\ncolour = 1\n'
    )
    keys = sorted(one.partition(":")[0].partition(" ")[0] for one in found)
    assert keys == ["links.one.fields.t.left", "links.one.fields.t.map", "links.two.colour"]


def test_the_examples_of_the_page_are_rules(configured: Load, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/links.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert len(examples) == 4
    secret = tmp_path / "secret"
    secret.write_text("x")
    [dataminer] = [each for each in examples if "[links.dma-snow]" in each]
    for example in examples:
        whole = example if "[sources." in example else dataminer + example  # a part is put over the first example
        assert configured(re.sub(r'"/run/secrets/[a-z-]+"', f'"{secret}"', whole)).links
