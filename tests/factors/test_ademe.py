"""ADEME, Base Carbone, in the true layout of its file."""

from __future__ import annotations

import pytest

from support.factor_files import Read, refused

ADEME_HEADER = (
    "Type Ligne;Identifiant de l'élément;Structure;Type de l'élément;Statut de l'élément;Nom base français;Nom base anglais;"
    "Nom attribut français;Nom frontière français;Code de la catégorie;Unité français;Localisation géographique;"
    "Sous-localisation géographique français;Date de modification;Période de validité;Incertitude;Type poste;"
    "Total poste non décomposé;CO2f"
)


def ademe(*lines: str) -> str:
    return "\r\n".join((ADEME_HEADER, *lines)) + "\r\n"


def mix(
    year: str = "2023",
    value: str = "0,0340",
    *,
    status: str = "Valide générique",
    kind: str = "Elément",
    basis: str = "consommation",
    place: str = "France continentale",
    part: str = "",
    category: str = "Electricité > Mix réseau électrique",
    unit: str = "kgCO2e/kWh",
    name: str = " - mix moyen",
) -> str:
    return (
        f"{kind};36500;élément décomposé par poste;Facteur d'émission;{status};Electricité;Electricity;{year}{name};{basis};"
        f"{category};{unit};{place};{part};2025-01-01;décembre 2026;10;;{value};0,03"
    )


def test_average_mixes_of_the_base_carbone_are_read(read: Read) -> None:
    found = read(
        ademe(
            mix("2023", "0,0340"),
            mix("2022", "0,0517"),
            mix("2022", "0,3630", place="Autre pays du monde", part="Allemagne", basis="production"),
            mix(status="Archivé"),
            mix(kind="Poste"),
            mix(name=" - usage : chauffage"),
            mix(category="Combustibles > Fossiles"),
            mix(unit="kgCO2e/MWh"),
            mix(year="moyenne"),
        ),
        "ademe",
        encoding="cp1252",
    )
    assert [(f.zone, f.year, f.value_g_per_kwh, f.scope, f.basis) for f in found.factors.factors] == [
        ("DEU", 2022, 363.0, "lifecycle", "production"),
        ("FRA", 2022, 51.7, "lifecycle", "consumption"),
        ("FRA", 2023, 34.0, "lifecycle", "consumption"),
    ]
    assert found.factors.factors[0].licence == "Licence Ouverte 2.0 (Etalab)"
    assert sum(found.left_out.values()) == 6, "each line that is not taken is counted, with its reason"


def test_a_wrong_value_of_the_base_carbone_refuses_the_file(read: Read) -> None:
    said = refused(read, ademe(mix(value="x"), mix("2022", "34,0"), mix("2021", "-0,1")), "ademe", encoding="cp1252")
    for line, remedy in ((2, "write a number"), (3, "above 2,000"), (4, "not negative")):
        assert any(
            text.startswith(f"file.csv:{line}, field 'Total poste non décomposé'") and remedy in text for text in said.split("\n")
        )


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_the_base_carbone_is_read_as_published_and_as_a_spreadsheet_saved_it(read: Read, encoding: str) -> None:
    (found,) = read(ademe(mix()), "ademe", encoding=encoding).factors.factors
    assert (found.zone, found.value_g_per_kwh, found.basis) == ("FRA", 34.0, "consumption")
