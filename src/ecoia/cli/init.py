"""``ecoia init``: write a commented catalogue and ``ecoia.toml`` to fill in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ecoia.errors import EcoiaError

_CONFIGURATION = """\
# Réglages d'ecoia. Lus depuis ce dossier et ceux qui sont au-dessous ; ECOIA_<NOM> les remplace, un argument aussi.
# « ecoia config » montre chaque valeur et son origine, « ecoia doctor » ce qui sera mesuré.

# Registre, charte, cibles, étalonnage, facteurs d'émission et contrats : les fichiers YAML de ce dossier.
catalogue = "."

# Où l'électricité est consommée (ISO 3166 alpha-3). Sans zone, l'énergie est relevée et les émissions ne sont pas calculées.
# zone = "FRA"

# PUE du centre de calcul. Sans PUE, les chiffres s'entendent hors bâtiment.
# pue = 1.4

# Fuseau des trimestres de l'organisation.
# timezone = "Europe/Paris"
"""


def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to.")] = Path()) -> None:
    """Write a commented catalogue and ecoia.toml, to fill in.

    Never overwrites a file.

    [dim]$ ecoia init my-organisation[/dim]
    """
    from ecoia.catalogue import starter_files

    files = {folder / name: text for name, text in {"ecoia.toml": _CONFIGURATION, **starter_files()}.items()}
    for path in files:
        if os.path.lexists(path):
            raise EcoiaError(f"'{path}' exists and is not overwritten: choose another folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            typer.echo(path)
    except OSError as error:
        raise EcoiaError(f"'{folder}' cannot be written ({error.strerror}): choose another folder") from error
