"""GAP against GMP, the paper's table 2: the same network retrained both ways, its last stages with it.

    python -m tests.benchmarks.pooling [DATA] [--epochs 10] [--seeds 2] [--fresh]

DATA is the folder of photos beside the project, ../shared/data: 250 photos of ten classes with boxes
(``boxes/imagenette_val``), in two halves; a network learns one and is judged on the other. Of
EfficientNet-Lite0 what follows its stride of 16 is retrained: five blocks, the last convolution and the
last layer, four fifths of its weights (batch normalisation keeps its means). --fresh draws them anew, so that
nothing is left of the average pooling that they were trained with.

average          the logit is the mean of the class's map (GAP)
maximum          each feature map's maximum is taken, then the linear layer (GMP, as in the paper)
maximum of map   the logit is the maximum of the class's map

Boxes at 20 % of the maximum of the true class's map, IoU 0.5.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn
from torch.nn import functional as F

from camstream.evaluate import metrics
from camstream.maps import cam as cams
from camstream.maps.boxes import largest_box
from camstream.media import read_photo
from export.networks.efficientnet_lite import EfficientNetLite
from export.weights import packaged_efficientnet_lite
from tests.benchmarks.paper_tables import DATA, ten_classes

_KEPT = 11  # blocks up to the stride of 16
_HALVES = 2
_BATCH = 16
WAYS = ("average", "maximum", "maximum of map")


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """The photos as the retrained part gets them.

    Attributes:
        early: (2, N, 112, 14, 14) features at the stride of 16, of the photos and their mirror images.
        targets: (N,) their classes.
        boxes: The true boxes of each.
        size_wh: Width and height of each, pixels.
    """

    early: Tensor
    targets: Tensor
    boxes: list[NDArray[np.float64]]
    size_wh: list[tuple[int, int]]


def network() -> EfficientNetLite:
    """Build EfficientNet-Lite0 with its published weights."""
    built = EfficientNetLite()
    built.load_state_dict(packaged_efficientnet_lite(0).state)
    return built.eval()


def read(data: Path) -> Set:
    """Read the photos and compute the features that do not change."""
    photos, boxes = ten_classes(data)
    built, early, sizes = network(), [], []
    with torch.no_grad():
        for path in photos.paths:
            image = read_photo(path)
            sizes.append((image.shape[1], image.shape[0]))
            rgb = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).float()
            x = torch.stack([rgb, rgb.flip(2)]).sub(127).div(128)
            x = F.relu6(built._bn0(built._conv_stem(x)))
            for block in list(built._blocks)[:_KEPT]:
                x = block(x)
            early.append(x)
    return Set(
        early=torch.stack(early, dim=1),
        targets=torch.from_numpy(photos.targets),
        boxes=boxes,
        size_wh=sizes,
    )


class Retrained(nn.Module):
    """What follows the stride of 16, for ten classes."""

    def __init__(self, classes: int, way: str, *, fresh: bool) -> None:
        super().__init__()
        whole = EfficientNetLite() if fresh else network()
        self.way, self.is_fresh = way, fresh
        self.blocks = nn.Sequential(*list(whole._blocks)[_KEPT:])
        self.head, self.norm = whole._conv_head, whole._bn1
        self.rows = nn.Linear(whole._fc.in_features, classes)
        nn.init.zeros_(self.rows.weight)
        nn.init.zeros_(self.rows.bias)

    def features(self, early: Tensor) -> Tensor:
        """Compute the last feature maps, (N, 1280, 7, 7)."""
        return F.relu6(self.norm(self.head(self.blocks(early))))

    def maps(self, features: Tensor) -> Tensor:
        """Compute the maps of all classes, (N, C, 7, 7)."""
        return torch.einsum("cd,ndhw->nchw", self.rows.weight, features)

    def forward(self, early: Tensor) -> Tensor:
        """Compute the logits, (N, C)."""
        features = self.features(early)
        if self.way == "maximum of map":
            return self.maps(features).amax(dim=(2, 3)) + self.rows.bias
        is_average = self.way == "average"
        pooled = features.mean(dim=(2, 3)) if is_average else features.amax(dim=(2, 3))
        logits: Tensor = self.rows(pooled)
        return logits


def train(part: Retrained, photos: Set, seen: NDArray[np.intp], epochs: int, seed: int) -> None:
    """Train on some photos; the rate falls along a cosine."""
    random = np.random.default_rng(seed)
    rows = [*part.rows.parameters()]
    rest = [value for name, value in part.named_parameters() if not name.startswith("rows")]
    rate = 1e-3 if part.is_fresh else 2e-4
    steps = epochs * -(-len(seen) // _BATCH)
    optimizer = torch.optim.AdamW([{"params": rest, "lr": rate}, {"params": rows, "lr": 1e-3}])
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    part.train(part.is_fresh)  # new weights need the means of their own batch
    for _ in range(epochs):
        order = random.permutation(seen)
        for first in range(0, len(order), _BATCH):
            chosen = torch.from_numpy(order[first : first + _BATCH])
            mirrored = torch.from_numpy(random.integers(2, size=len(chosen)))
            loss = F.cross_entropy(
                part(photos.early[mirrored, chosen]), photos.targets[chosen], label_smoothing=0.1
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            falling.step()
    part.eval()


def judge(part: Retrained, photos: Set, held: NDArray[np.intp]) -> dict[str, list[Any]]:
    """Name the held photos, and find their things in the true class's map."""
    found: dict[str, list[Any]] = defaultdict(list)
    with torch.inference_mode():
        for n in held.tolist():
            features = part.features(photos.early[0, n : n + 1])
            target = int(photos.targets[n])
            found["right"].append(int(part(photos.early[0, n : n + 1]).argmax()) == target)
            cam = part.maps(features)[0, target].numpy()
            size_wh, fine = photos.size_wh[n], cams.enlarge(cam)
            box = largest_box(cam, size_wh)
            found["iou"].append(metrics.best_iou([box] if box else [], photos.boxes[n]))
            curves = metrics.box_curves(metrics.normalise(fine), size_wh, photos.boxes[n])
            found["curves"].append(curves[1])
            found["hit"].append(metrics.is_hit(cams.find_peak(fine, size_wh).xy, photos.boxes[n]))
            above = fine > 0.2 * max(float(fine.max()), 0.0)
            found["warm"].append(float(above.mean()))
    return found


def measure(photos: Set, epochs: int, seeds: int, *, fresh: bool) -> Table:
    """Train and judge each way, by each half and seed."""
    what = "drawn anew" if fresh else "retrained"
    table = Table(title=f"last stages {what}, {epochs} epochs, {seeds} seeds, two halves")
    heads = ("pooling", "named right", "box IoU >= 0.5", "MaxBoxAccV2", "peak in a box", "warm")
    for head in heads:
        table.add_column(head, justify="right")
    classes = len(set(photos.targets.tolist()))
    for way in WAYS:
        found: dict[str, list[Any]] = defaultdict(list)
        began = time.perf_counter()
        for seed in range(seeds):
            halves = StratifiedKFold(_HALVES, shuffle=True, random_state=seed)
            for seen, held in halves.split(photos.boxes, photos.targets.numpy()):
                torch.manual_seed(seed)
                part = Retrained(classes, way, fresh=fresh)
                train(part, photos, seen, epochs, seed)
                for name, values in judge(part, photos, held).items():
                    found[name] += values
        table.add_row(
            way,
            f"{np.mean(found['right']):.1%}",
            f"{metrics.share_right(np.array(found['iou'])):.1%}",
            f"{metrics.max_box_acc_v2(np.stack(found['curves'])):.3f}",
            f"{np.mean(found['hit']):.1%}",
            f"{np.mean(found['warm']):.0%}",
        )
        print(f"{way}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="draw the last stages anew")
    arguments = parser.parse_args()
    if not (arguments.data / "boxes").is_dir():
        sys.exit(f"no photos are in {arguments.data}")
    torch.set_num_threads(1)
    photos = read(arguments.data)
    table = measure(photos, arguments.epochs, arguments.seeds, fresh=arguments.fresh)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
