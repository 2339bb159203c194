"""The rule ``specialists``: teachers that cover some of the classes, each used for these alone.

B batch, C classes, K teachers, S_m the classes that specialist m covers. A generalist covers all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from students.knowledge import Knowledge
from students.lazy_imports import Bool, Float, Tensor, torch
from teachers.weighting.rule import RuleContext, WeightingRule, shared_equally


def mean_of_generalists(
    logits_KBC: Float[Tensor, "generalists batch classes"],
    present_KB: Bool[Tensor, "generalists batch"],
) -> Float[Tensor, "batch classes"]:
    """The mean of the generalists' distributions at temperature 1, as logits: log p_g + h.

    ``present_KB`` says which of them answered for a sample; where none did its row is 0. The
    softmax of the row is p_g = mean_k softmax(z_k); its height h = mean_k log sum_c exp(z_kc) is
    the generalists' own, so that for a single generalist the row is z.
    """
    present_KB1 = present_KB.unsqueeze(2)
    if len(logits_KBC) == 1:
        return torch.where(present_KB1[0], logits_KBC[0], 0.0)
    count_B1 = present_KB.sum(dim=0).clamp(min=1).unsqueeze(1).to(logits_KBC.dtype)
    heights_KB1 = torch.logsumexp(logits_KBC, dim=-1, keepdim=True)
    shares_KBC = (logits_KBC - heights_KB1).masked_fill(~present_KB1, -torch.inf)
    mean_BC = torch.logsumexp(shares_KBC, dim=0) - count_B1.log()
    height_B1 = torch.where(present_KB1, heights_KB1, 0.0).sum(dim=0) / count_B1
    return torch.where(present_KB1.any(dim=0), mean_BC + height_B1, 0.0)


def completed(
    general_BC: Float[Tensor, "batch classes"],
    logits_KBC: Float[Tensor, "teachers batch classes"],
    known_KC: Bool[Tensor, "teachers classes"],
) -> Float[Tensor, "teachers batch classes"]:
    """Each teacher's logits over all classes: ``general_BC`` on those that it does not cover.

    On S_m it is log[p_g(S_m) softmax over S_m of z_m], elsewhere log p_g, both plus the height of
    ``general_BC``: the specialist only divides among its classes the probability that the
    generalists give to them. A teacher that covers every class keeps softmax(z_m); one whose z_m
    equals the generalists' changes nothing.
    """
    unknown_K1C = ~known_KC.unsqueeze(1)
    general_KBC = general_BC.expand_as(logits_KBC)
    mass_KB1 = torch.logsumexp(general_KBC.masked_fill(unknown_K1C, -torch.inf), -1, keepdim=True)
    own_KBC = torch.log_softmax(logits_KBC.masked_fill(unknown_K1C, -torch.inf), dim=-1)
    return torch.where(unknown_K1C, general_KBC, mass_KB1 + own_KBC)


def masked_mean(
    logits_KBC: Float[Tensor, "teachers batch classes"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> tuple[Float[Tensor, "teachers batch classes"], Float[Tensor, "batch classes"]]:
    """Where there is no generalist: the teachers' centred logits, and for each class their mean
    over the teachers present that cover it.

    Each teacher's logits are centred over the classes that it covers, for a softmax does not
    determine their height, on which a class's probability would otherwise depend. A class that no
    teacher present covers gets the smallest of the other means.
    """
    usable_KBC = present_KB.unsqueeze(2) & known_KC.unsqueeze(1)
    heights_KB1 = torch.where(usable_KBC, logits_KBC, 0.0).sum(-1, keepdim=True)
    heights_KB1 = heights_KB1 / usable_KBC.sum(-1, keepdim=True).clamp(min=1)
    centred_KBC = torch.where(usable_KBC, logits_KBC - heights_KB1, 0.0)
    counts_BC = usable_KBC.sum(dim=0)
    mean_BC = centred_KBC.sum(dim=0) / counts_BC.clamp(min=1)
    least_B1 = mean_BC.masked_fill(counts_BC == 0, torch.inf).amin(-1, keepdim=True)
    least_B1 = torch.where(least_B1.isfinite(), least_B1, 0.0)
    return centred_KBC, torch.where(counts_BC > 0, mean_BC, least_B1)


class Specialists(WeightingRule):
    """Teachers that cover some of the classes, each used for these alone.

    With a generalist: a specialist is active for a sample whose most probable class, by the mean
    of the generalists, is one of its own; its logits are ``completed`` by theirs. Generalists
    and active specialists count the same. Without one: every teacher's unknown classes are filled
    with the ``masked_mean``, and all count the same; so a specialist also counts, perhaps with
    high confidence, for samples of classes that it was never shown.

    Source: Hinton, Vinyals & Dean (2015), section 5, in closed form: the paper fits one full
    distribution to all of them by KL for each sample, and gives specialists a further class, the
    dustbin, which ours do not have.
    """

    reads_answers: ClassVar[bool] = True
    kind: Literal["specialists"] = "specialists"

    def weigh(self, knowledge: Knowledge, context: RuleContext) -> Knowledge:
        """Weights, and logits over all classes that some teacher covers."""
        present_KB, known_KC = knowledge.present, knowledge.known
        answers = torch.where(present_KB.unsqueeze(2), knowledge.logits, 0.0)
        general_K = known_KC.all(dim=1)
        guided_B = present_KB[general_K].any(dim=0)
        # Unless a teacher was lost there is a generalist for every sample, or for none.
        if bool(guided_B.all()):
            logits_KBC, chosen_KB = _with_generalists(answers, known_KC, present_KB)
        else:
            centred_KBC, mean_BC = masked_mean(answers, known_KC, present_KB)
            own_KBC = known_KC.unsqueeze(1) & present_KB.unsqueeze(2)
            logits_KBC, chosen_KB = torch.where(own_KBC, centred_KBC, mean_BC), present_KB
            if bool(guided_B.any()):
                guided_KBC, guided_KB = _with_generalists(answers, known_KC, present_KB)
                logits_KBC = torch.where(guided_B.unsqueeze(1), guided_KBC, logits_KBC)
                chosen_KB = torch.where(guided_B, guided_KB, chosen_KB)
        return replace(
            knowledge,
            logits=logits_KBC,
            known=known_KC.any(dim=0).expand_as(known_KC),
            weights=shared_equally(chosen_KB),
        )


def _with_generalists(
    logits_KBC: Float[Tensor, "teachers batch classes"],
    known_KC: Bool[Tensor, "teachers classes"],
    present_KB: Bool[Tensor, "teachers batch"],
) -> tuple[Float[Tensor, "teachers batch classes"], Bool[Tensor, "teachers batch"]]:
    """Logits where a generalist is present, and which teachers count: generalists and active
    specialists."""
    general_K = known_KC.all(dim=1)
    general_BC = mean_of_generalists(logits_KBC[general_K], present_KB[general_K])
    # A generalist covers the most probable class too.
    active_KB = known_KC[:, general_BC.argmax(dim=1)] & present_KB
    full_KBC = logits_KBC.clone()
    full_KBC[~general_K] = completed(general_BC, logits_KBC[~general_K], known_KC[~general_K])
    return full_KBC, active_KB
