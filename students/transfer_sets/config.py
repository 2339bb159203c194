"""The recipe's section ``transfer_set``: the examples on which knowledge passes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from cluster.section import Section, kind_first

FolderName = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$")]
Share = Annotated[float, Field(gt=0, le=1)]


class Augmentation(Section):
    """How a view of a sample is made."""

    kind: str

    @property
    def variation(self) -> tuple[int, bool]:
        """The most pixels of a shift in each direction, with zeros at the edge; and whether half
        of the views are mirrored, left to right."""
        return 0, False

    @property
    def changes(self) -> bool:
        """Whether a view differs from its sample."""
        return self.variation != (0, False)


class NoAugment(Augmentation):
    """Every view of a sample is the sample itself."""

    kind: Literal["none"] = "none"


class CropFlip(Augmentation):
    """Random crop after zero padding, and a random left-right flip."""

    kind: Literal["crop_flip"] = "crop_flip"
    padding: int = Field(4, ge=0, le=64, description="pixels of zeros on each side")
    flip: bool = True

    @model_validator(mode="after")
    def _makes_views(self) -> Self:
        if not self.changes:
            raise ValueError("changes nothing with padding 0 and no flip; write none instead")
        return self

    @property
    def variation(self) -> tuple[int, bool]:
        """Shifts by up to the padding."""
        return self.padding, self.flip


class Shift(Augmentation):
    """Random shift by up to ``pixels`` in each direction, with zeros at the edge."""

    kind: Literal["shift"] = "shift"
    pixels: int = Field(2, ge=1, le=64)

    @property
    def variation(self) -> tuple[int, bool]:
        """Shifts alone."""
        return self.pixels, False


Augment = Annotated[
    Annotated[NoAugment | CropFlip | Shift, Field(discriminator="kind")],
    BeforeValidator(kind_first),
]


class TransferSetBase(Section):
    """What all transfer sets have."""

    class_count: ClassVar[int | None] = None
    """How many classes there are; none where it depends on the data."""
    training_count: ClassVar[int | None] = None
    """Samples of the training part; none where it depends on the data."""

    kind: str
    seed: int = Field(0, ge=0, description="of the split, the fraction and the views")
    validation: (
        Literal["none"] | Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
    ) = Field(0.1, description="share or count of the training part that all choosing is done on")
    augment: Augment = NoAugment()
    views: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    fraction: Share = 1.0
    labelled: Annotated[float, Field(ge=0, le=1)] = 1.0
    omit: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @field_validator("omit")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each class once")
        return value

    @property
    def custom_source(self) -> str | None:
        """The user's own function, ``file.py:function``, that returns it, if one does."""
        return None

    @property
    def decoding(self) -> dict[str, int]:
        """The settings by which picture files become arrays, where that is not fixed."""
        return {}


class Digits(TransferSetBase):
    """Scikit-learn's 8x8 digits; they come with the package."""

    class_count = 10
    training_count = 1347
    kind: Literal["digits"] = "digits"


class Rooted(TransferSetBase):
    """A transfer set in a folder."""

    root: str = Field("~/data", min_length=1, description="where it lies, or is downloaded to")


class Published(Rooted):
    """A published set, which torchvision downloads and reads."""

    files: ClassVar[tuple[str, ...]]
    """The files that torchvision reads, below the root."""
    torchvision_class: ClassVar[str]


_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class Mnist(Published):
    """MNIST: 60,000 and 10,000 grey pictures of 28x28."""

    class_count = 10
    training_count = 60_000
    files = tuple(f"MNIST/raw/{name}" for name in _IDX)
    torchvision_class = "MNIST"
    kind: Literal["mnist"] = "mnist"


class FashionMnist(Published):
    """Fashion-MNIST: 60,000 and 10,000 grey pictures of 28x28."""

    class_count = 10
    training_count = 60_000
    files = tuple(f"FashionMNIST/raw/{name}" for name in _IDX)
    torchvision_class = "FashionMNIST"
    kind: Literal["fashion_mnist"] = "fashion_mnist"


class Cifar10(Published):
    """CIFAR-10: 50,000 and 10,000 colour pictures of 32x32."""

    class_count = 10
    training_count = 50_000
    files = tuple(
        f"cifar-10-batches-py/{name}"
        for name in (*(f"data_batch_{part}" for part in range(1, 6)), "test_batch", "batches.meta")
    )
    torchvision_class = "CIFAR10"
    kind: Literal["cifar10"] = "cifar10"


class Cifar100(Published):
    """CIFAR-100: 50,000 and 10,000 colour pictures of 32x32."""

    class_count = 100
    training_count = 50_000
    files = tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta"))
    torchvision_class = "CIFAR100"
    kind: Literal["cifar100"] = "cifar100"


class ImageFolder(Rooted):
    """``root/train/CLASS/*`` and ``root/test/CLASS/*``, brought to one size."""

    kind: Literal["image_folder"] = "image_folder"
    train_folder: FolderName = Field("train", description="of the training part, below the root")
    test_folder: FolderName = Field("test", description="of the test part, below the root")
    size: int = Field(32, ge=1, le=1024, description="height and width of every picture")
    channels: Literal[1, 3] = 3

    @field_validator("test_folder")
    @classmethod
    def _another(cls, value: str, others: ValidationInfo) -> str:
        if value == others.data.get("train_folder"):
            raise ValueError("must be another folder than train_folder")
        return value

    @property
    def parts(self) -> tuple[str, str]:
        """The folders of the training and of the test part."""
        return self.train_folder, self.test_folder

    @property
    def decoding(self) -> dict[str, int]:
        """Size and channels."""
        return {"size": self.size, "channels": self.channels}


class CustomTransferSet(TransferSetBase):
    """``file.py:function`` beside the recipe returns the pictures."""

    kind: Literal["custom"] = "custom"
    source: str = Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")
    options: dict[str, str | int | float | bool | None] = Field({}, description="its arguments")

    @property
    def custom_source(self) -> str:
        """The function."""
        return self.source

    @property
    def file(self) -> str:
        """The file that the function is in."""
        return self.source.rpartition(":")[0]


TransferSetConfig = Annotated[
    Digits | Mnist | FashionMnist | Cifar10 | Cifar100 | ImageFolder | CustomTransferSet,
    Field(discriminator="kind"),
]
