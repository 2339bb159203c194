"""Compares the test accuracy of four published CIFAR-10 ResNets with the published figures.

    python -m benchmarks.pretrained ROOT   (ROOT holds cifar-10-batches-py and weights/*.th)

On all 10,000 images, with the networks' own preprocessing; the exit status is 1 if one differs
from the published figure by 0.01 % or more.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from students.evaluation.evaluate import compute_logits
from students.evaluation.metrics import accuracy
from students.models.build import build_network
from students.models.config import Preprocessing, Weights
from students.models.residual import ResNetCifar
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.config import Cifar10

PUBLISHED = {
    "resnet20-12fca82f.th": 91.73,
    "resnet32-d509ac18.th": 92.63,
    "resnet44-014dd654.th": 93.10,
    "resnet56-4bfd9763.th": 93.39,
}
OWN = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def main() -> int:
    """Prints a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("root", type=Path)
    root: Path = parser.parse_args().root.expanduser().absolute()
    with tempfile.TemporaryDirectory() as cache:
        config = Cifar10(root=str(root), validation="none")
        data = load_transfer_set(config, folder=root, cache=Path(cache))
        targets = data.batch(data.test_ids, 0, student_labels=False).targets
        agree = True
        for file, published in PUBLISHED.items():
            depth = int(file.removeprefix("resnet").partition("-")[0])
            network = build_network(
                ResNetCifar(depth=depth, preprocessing=OWN),
                data,
                root,
                path=f"resnet{depth}",
                weights=Weights(path=f"weights/{file}"),
            )
            found = 100 * accuracy(compute_logits(network, data, data.test_ids), targets)
            agree &= abs(found - published) < 0.005
            print(
                f"ResNet-{depth}: test accuracy {found:.2f} %, published {published:.2f} %",
                flush=True,
            )
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
