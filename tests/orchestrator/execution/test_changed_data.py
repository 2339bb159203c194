"""Claims about data that change under a run: it ends with a sentence, and stores none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stillhouse
from cluster.config import ClusterConfig
from orchestrator.execution.finished_network import model_spec
from orchestrator.execution.session import Session
from orchestrator.execution.stage_works import StageResult
from students.config import Resources
from students.errors import TransferSetError, UserError
from students.specs import MODEL
from teachers.serving.evaluator import Evaluator
from teachers.serving.host import TeacherHost
from tests import small
from tests.running import IN_PROCESS, RecordingWatcher
from tests.students import tiny

FOLDER = "transfer_set={kind: image_folder, root: pictures, size: 8, validation: 20}"
FEW = ("controls=[]", "teachers.deep=null", "student.objective.near=null", *IN_PROCESS[:3])
SMALL = ("student.train.batch_size=8", "student.train.micro_batch_size=8",
         "teachers.wide.train.batch_size=8")  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 4)):
        for name, level in (("dark", 40), ("light", 200)):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                values = level + noise.integers(-30, 30, (8, 8, 3))
                Image.fromarray(values.astype(np.uint8)).save(folder / f"{number:02d}.png")
    return tmp_path / "pictures"


class AddsAPicture(RecordingWatcher):
    """Copies a dark picture among the light ones once the teacher is trained."""

    def __init__(self, pictures: Path) -> None:
        super().__init__()
        self.new = pictures / "train" / "light" / "new.png"

    def on_end(self, result: StageResult) -> None:
        super().on_end(result)
        self.new.write_bytes((self.new.parents[1] / "dark" / "00.png").read_bytes())


def test_a_run_whose_pictures_change_ends_and_stores_no_stage_that_saw_the_others(
    tmp_path: Path, pictures: Path
) -> None:
    loaded = small.loaded(tmp_path, FOLDER, *FEW, *SMALL)
    watcher = AddsAPicture(pictures)
    with Session(tmp_path / "home", ClusterConfig(mode="in_process")) as session:
        graph = stillhouse.plan(loaded, session)
        with pytest.raises(TransferSetError, match=r"1 added, 'train/light/new\.png'"):
            session.submit(graph, watcher).result()
        assert session.store.finished(graph.stage("teachers.wide"))
        assert not session.store.finished(graph.stage("student"))
        assert not session.store.failures(graph.stage("student").digest)
        watcher.new.unlink()
        assert len(session.submit(graph).result().results) == 2


class Edits(RecordingWatcher):
    """Changes a file once the teacher is trained."""

    def __init__(self, file: Path, old: str, new: str) -> None:
        super().__init__()
        self.edit = file, old, new

    def on_end(self, result: StageResult) -> None:
        super().on_end(result)
        file, old, new = self.edit
        file.write_text(file.read_text().replace(old, new))


def test_a_run_whose_models_code_is_edited_ends_and_stores_no_stage_that_ran_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def net(input_shape, classes):\n"
        "    c, h, w = input_shape\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, classes))\n"
    )
    loaded = small.loaded(tmp_path, *FEW, "student.model={kind: custom, source: 'net.py:net'}")
    with Session(tmp_path / "home", ClusterConfig(mode="in_process")) as session:
        graph = stillhouse.plan(loaded, session)
        watcher = Edits(tmp_path / "net.py", "nn.Linear", "nn.LazyLinear(3), nn.Linear")
        with pytest.raises(UserError, match=r"`student\.model\.source` is '.*net\.py', which has"):
            session.submit(graph, watcher).result()
        assert not session.store.finished(graph.stage("student"))


def test_no_role_takes_data_that_were_not_planned(tmp_path: Path, pictures: Path) -> None:
    with Session(tmp_path / "home", ClusterConfig(mode="in_process")) as session:
        stage = small.planned(tmp_path, FOLDER, *FEW).stage("student")
        (pictures / "train" / "dark" / "00.png").unlink()
        with pytest.raises(TransferSetError, match="have changed since this run was planned"):
            session.transfer_set(stage.data)
        [wide] = stage.teachers
        spec = model_spec(wide, MODEL, stage, session.store, 1, Resources())
    task = tiny.assignment(tmp_path / "stage", tiny.spec(), data=stage.data)
    roles = (
        lambda: TeacherHost(spec),
        lambda: Evaluator(spec, tmp_path).test(MODEL),
        lambda: Evaluator(spec, tmp_path).evaluate(1),
        lambda: list(tiny.StudentRank(task, tiny.OneTeacher()).train()),
    )
    for role in roles:
        with pytest.raises(TransferSetError, match="have changed since this run was planned"):
            role()
