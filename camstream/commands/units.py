"""``camstream units``: which feature maps speak for a class, and what excites them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from camstream.commands.options import DebugOption, OverwriteOption, output_option
from camstream.commands.settings import PresetOption
from camstream.console import counting, plain_errors, results, say
from camstream.errors import UsageError

_COUNT = 6


def units(
    model_name: Annotated[
        str, typer.Argument(metavar="MODEL", help="efficientnet_lite0, person or an .onnx file.")
    ],
    class_name: Annotated[
        str, typer.Argument(metavar="CLASS", help="A label, number or WordNet id.")
    ],
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTOS", help="Photos, and folders of photos.")
    ],
    output: Annotated[
        Path, output_option("--output", "-o", metavar="FILE", help="The picture: .jpg or .png.")
    ] = Path("units.jpg"),
    count: Annotated[
        int, typer.Option(min=1, max=32, metavar="N", help="How many units.")
    ] = _COUNT,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what a class is made of: its feature maps and what excites them.

    $ camstream units efficientnet_lite0 "Persian cat" photos/ -o units.jpg
    """
    with plain_errors(debug):
        from camstream.evaluate.units import check_sheet, find_photos, find_units, write_sheet
        from camstream.graph.backbone import Backbone
        from camstream.models.classes import ClassNames
        from camstream.models.zoo import find_model

        backbone = Backbone(find_model(model_name))
        named = ClassNames(backbone.info.labels).find(class_name)
        if len(named.indices) != 1:
            raise UsageError(f"{class_name!r} is a group of {len(named.indices)} classes; name one")
        found_photos = find_photos(photos)
        file = check_sheet(output, found_photos, overwrite=overwrite)
        with counting("looking") as on_photo:
            found = find_units(
                backbone, named.indices[0], found_photos, count=count, on_photo=on_photo
            )
        write_sheet(file, found)
        table = Table(title=f"{found.label}: {found.logit:.2f} without its bias", box=None)
        for head in ("unit", "weight", "adds to the logit", "share"):
            table.add_column(head, justify="right")
        for unit in found.units:
            share = unit.part / found.logit if found.logit > 0 else float("nan")
            cells = (f"{unit.channel}", f"{unit.weight:+.3f}", f"{unit.part:+.2f}", f"{share:.0%}")
            table.add_row(*map(Text, cells))
        results.print(table)
        say(f"{output}: {len(found.units)} units in {found.photos} photos")
