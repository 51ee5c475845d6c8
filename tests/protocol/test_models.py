"""What is the model called that a type number stands for?"""

import pytest

from custom_components.han_port.protocol import Meter, model_name


@pytest.mark.parametrize(
    ("manufacturer", "type_", "name"),
    [
        ("Aidon", "6515", "6515 (one-phase)"),
        ("Aidon", "6525", "6525 (three-phase, three-wire)"),
        ("Aidon", "6534", "6534 (three-phase, four-wire)"),
        ("Kaifa", "MA105H2E", "MA105 (one-phase)"),
        ("Kaifa", "MA304H3E", "MA304H3 (three-phase, three-wire)"),
        ("Kaifa", "MA304T4", "MA304T4 (three-phase, four-wire, current transformers)"),
        ("Kamstrup", "6841121BN243101040", "Omnipower three-phase, three-wire"),
        ("Kamstrup", "6841131BN243101040", "Omnipower three-phase"),
        ("Kamstrup", "6861111BN242101040", "Omnipower one-phase"),
        ("Landis+Gyr", "ZFF1", "E350 (three-phase, three-wire)"),
        # not known: the number itself, and only of the maker it belongs to
        ("Aidon", "7777", "7777"),
        ("Kaifa", "6515", "6515"),
        (None, "6515", "6515"),
        ("Aidon", None, None),
    ],
)
def test_model_name(
    manufacturer: str | None, type_: str | None, name: str | None
) -> None:
    """The first characters name the model; what is not known is shown as sent."""
    assert model_name(Meter(manufacturer=manufacturer, type=type_)) == name
