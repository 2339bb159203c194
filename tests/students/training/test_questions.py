import numpy as np

from students.knowledge import Question
from students.training.questions import NoTeachers


def test_without_teachers_each_question_is_answered_with_empty_knowledge():
    sizes = [3, 1, 4]
    questions = [Question(0, np.arange(size)) for size in sizes]
    with NoTeachers(classes=7).ask(questions) as knowledge:
        answers = list(knowledge)
    assert [each.logits.shape for each in answers] == [(0, size, 7) for size in sizes]
    for each, size in zip(answers, sizes, strict=True):
        assert each.known.shape == (0, 7)
        assert each.present.shape == each.weights.shape == (0, size)
        assert each.taps == {}


def test_questions_are_taken_one_at_a_time():
    taken = []

    def questions():
        for number in range(5):
            taken.append(number)
            yield Question(0, np.arange(2))

    with NoTeachers(3).ask(questions()) as knowledge:
        next(knowledge)
        assert taken == [0]
