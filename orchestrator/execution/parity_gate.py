"""Chooses how a teacher is run, and refuses one that fails the parity gate.

Waits for the teacher's answers to the probe, each within ``timeouts.rank``; freed by them, or by
the runtime being closed.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from torch import Tensor

from cluster.runtime import Handle
from orchestrator.execution.finished_network import finished_network
from orchestrator.execution.stage_teacher import StageTeacher
from students.custom_code import custom_code_errors
from students.models.config import Weights
from students.models.network import Network
from students.training.warning_relay import LOGGER
from teachers.errors import TeacherError
from teachers.inference.answer_encoding import NotNumbers, decode
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.inference.teacher import Teacher
from teachers.qualification.parity_verdict import Probe, assess, choose_probe
from teachers.qualification.preprocessing_variants import find_better_preprocessing
from teachers.qualification.records import (
    ProbeAnswers,
    Tuning,
    Verdict,
    read_record,
    store_config,
    write_probe_answers,
    write_record,
)
from teachers.serving.host import TeacherHost

VIEW = 0
"""Of the probe's samples: all teachers of a transfer set answer its own views."""


def choose_config(
    teacher: StageTeacher, handle: Handle[TeacherHost], threads: int, most: int | None = None
) -> InferenceConfig:
    """How ``teacher`` is run: as stored beside its answers, else chosen now and stored there.

    The first process to store its choice decides. Under ``precision: auto`` the running teacher
    is tuned for the number of answers that the stage may ask of it, at most ``most``.
    """
    folder, precision = teacher.folder, teacher.ref.precision
    stored = read_record(folder, InferenceConfig)
    if stored is not None:
        return stored
    if precision == "auto":
        ids, temperature = _probe(teacher).sample_ids, teacher.stage.ensemble.temperature
        samples = teacher.samples_to_answer()
        tuning = handle.call(
            TeacherHost.tune, ids, teacher.taps, temperature, min(samples, most or samples)
        ).result(teacher.patience)
    else:
        reason = f"the recipe says {precision}"
        tuning = Tuning(plain(threads, precision), None, None, (), reason)
    store_config(folder, tuning.chosen)
    config = read_record(folder, InferenceConfig)
    if config == tuning.chosen:
        write_record(folder, tuning)
    return config or tuning.chosen


def admit(
    teacher: StageTeacher, handle: Handle[TeacherHost], inference: InferenceConfig
) -> Verdict:
    """Evaluates ``teacher`` by its answers to the probe, and stores the verdict.

    Raises:
        TeacherError: it fails, and its ``gate`` is not ``warn``.
    """
    ref, transfer_set, probe = teacher.ref, teacher.transfer_set, _probe(teacher)
    network = finished_network(ref, teacher.stage, teacher.store, transfer_set)
    images = transfer_set.batch(probe.sample_ids, VIEW).inputs
    usual = plain(inference.threads)
    try:
        with custom_code_errors(ref.path):
            reference = Teacher(network, inference=usual).logits(images)
    except NotNumbers as error:
        raise error.as_error(ref.name, ref.path, probe.sample_ids, usual) from error
    answers = _ask(teacher, handle, inference, probe, reference)
    loaded = isinstance(ref.weights, Weights)
    verdict = assess(
        ref.path,
        answers,
        probe,
        # Of a teacher that was trained here the preprocessing is certain.
        _better_preprocessing(teacher, network, probe, answers, inference) if loaded else None,
        inference=inference,
        temperature=teacher.stage.ensemble.temperature,
        top_k=teacher.stage.ensemble.top_k,
        classes=ref.classes,
        loaded=loaded,
    )
    write_probe_answers(teacher.folder, inference, answers)
    write_record(teacher.folder, verdict)
    sentences = (verdict.of_anchor() if ref.output.is_anchor else verdict).sentences
    if sentences and ref.gate != "warn":
        raise TeacherError("\n".join(sentences), path=ref.path)
    for sentence in (*sentences, *verdict.doubts):
        logging.getLogger(LOGGER).warning(sentence)
    return verdict


def _better_preprocessing(
    teacher: StageTeacher,
    network: Network,
    probe: Probe,
    answers: ProbeAnswers,
    inference: InferenceConfig,
) -> tuple[str, str] | None:
    if probe.labels is None:
        return None
    transfer_set = teacher.transfer_set
    return find_better_preprocessing(
        network,
        teacher.ref.model.preprocessing,
        transfer_set.batch(probe.sample_ids, VIEW).inputs,
        probe.labels,
        mean=transfer_set.mean,
        std=transfer_set.std,
        plain=answers.plain,
        threads=inference.threads,
    )


def _ask(
    teacher: StageTeacher,
    handle: Handle[TeacherHost],
    inference: InferenceConfig,
    probe: Probe,
    reference: Tensor,
) -> ProbeAnswers:
    """The teacher's answers to the probe, some of them twice, in batches of other samples.

    All their logits: what a student gets under ``top_k`` follows from these.
    """
    ids, asked = probe.sample_ids, replace(teacher.answers(inference), top_k=None)
    given = handle.call(TeacherHost.probe, ids, VIEW, asked).result(teacher.patience).logits
    backward = np.arange(len(ids))[::-1][: len(ids) // 2 + 1].copy()
    again = (
        handle.call(TeacherHost.probe, ids[backward], VIEW, asked).result(teacher.patience).logits
    )
    return ProbeAnswers(decode(given), reference, np.array_equal(again, given[backward]))


def _probe(teacher: StageTeacher) -> Probe:
    return choose_probe(teacher.transfer_set, teacher.outcome.macs, teacher.ref.classes)
