"""What is the model called?"""

import pytest

from custom_components.han_port.protocol import Meter, model_name


@pytest.mark.parametrize(
    ("manufacturer", "type_", "name"),
    [
        ("Aidon", "6534", "6534"),
        ("Kaifa", "MA304H3E", "MA304H3E"),
        ("Kamstrup", "6841121BN243101040", "Omnipower"),
        ("Kamstrup", "6851131BN243101040", "Omnipower"),
        ("Kamstrup", "6861111BN242101040", "Omnipower"),
        ("Landis+Gyr", "ZFF1", "E350"),
        ("Landis+Gyr", "ZMF1", "E350"),
        # not known: the number itself, and only of the maker it belongs to
        ("Kamstrup", "7777", "7777"),
        ("Kaifa", "6841", "6841"),
        (None, "6841", "6841"),
        ("Aidon", None, None),
    ],
)
def test_model_name(
    manufacturer: str | None, type_: str | None, name: str | None
) -> None:
    """It is what is printed on the meter, so the same in all languages."""
    assert model_name(Meter(manufacturer=manufacturer, type=type_)) == name
