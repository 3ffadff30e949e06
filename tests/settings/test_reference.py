"""The reference of the configuration is what the classes say."""

import re
from pathlib import Path

from bridge.settings.console import OidcSettings
from bridge.settings.kinds import KINDS
from bridge.settings.model import SECTIONS, Settings
from bridge.settings.reference import reference
from bridge.settings.section import text_of
from bridge.settings.source import FilterSettings, SourceSettings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_made_of_the_classes() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "python -m bridge.settings.reference > docs/configuration.md"
    )


def test_every_key_is_on_the_page_with_what_it_is_for() -> None:
    for model in (*SECTIONS.values(), *KINDS.values(), FilterSettings, OidcSettings):
        for name in model.model_fields:
            assert text_of(model, name), f"{model.__name__}.{name} has no docstring"
            rows = (f"`{name}`", f"`filter.{name}`", f"`oidc.{name}`")
            assert any(row in reference() for row in rows) or name in ("filter", "oidc")
    for kind, model in KINDS.items():
        assert kind in text_of(model, "kind")
        assert kind in re.findall(r"[\w-]+", text_of(SourceSettings, "kind")), "the row of `kind` names every kind"
        assert f'kind = "{kind}"' in reference()
    assert "`data_dir`" in reference()
    assert set(Settings.model_fields) == {"data_dir", "sources", "links", *SECTIONS}
