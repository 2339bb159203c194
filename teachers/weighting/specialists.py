"""The rule ``specialists``: teachers that know some of the classes, each where it knows.

B batch, C classes, K teachers, S_m the classes that specialist m knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from teachers.weighting.rule import Rule, Said, Weighed
from teachers.weighting.sharing import shared_equally


def generalists_answer(
    logits_KBC: Float[Tensor, "generalists batch classes"],
    present_KB: Bool[Tensor, "generalists batch"],
) -> Float[Tensor, "batch classes"]:
    """The mean of the generalists' distributions at temperature 1, as logits: log p_g + h.

    ``present_KB`` says which of them there are for a sample; of nobody its row is 0. The softmax
    of the row is p_g = mean_k softmax(z_k); its height h = mean_k log sum_c exp(z_kc) is the
    generalists' own, so that of one generalist alone it is z.
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
    """Each teacher's answer over all classes: on those that it does not know, ``general_BC``.

    On S_m it is log[p_g(S_m) softmax over S_m of z_m], elsewhere log p_g, both plus the height of
    ``general_BC``: the specialist says how the probability that the generalists give to its
    classes falls to each of them, and nothing else. One that knows every class says softmax(z_m);
    one whose z_m are the generalists' changes nothing.
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
    over the teachers present that know it.

    Each teacher's logits are centred over the classes that it knows, for a softmax does not tell
    their height, and whose probability a class gets would otherwise hang on it. A class that
    nobody present knows gets the least of the others.
    """
    heard_KBC = present_KB.unsqueeze(2) & known_KC.unsqueeze(1)
    heights_KB1 = torch.where(heard_KBC, logits_KBC, 0.0).sum(-1, keepdim=True)
    heights_KB1 = heights_KB1 / heard_KBC.sum(-1, keepdim=True).clamp(min=1)
    centred_KBC = torch.where(heard_KBC, logits_KBC - heights_KB1, 0.0)
    counts_BC = heard_KBC.sum(dim=0)
    mean_BC = centred_KBC.sum(dim=0) / counts_BC.clamp(min=1)
    least_B1 = mean_BC.masked_fill(counts_BC == 0, torch.inf).amin(-1, keepdim=True)
    least_B1 = torch.where(least_B1.isfinite(), least_B1, 0.0)
    return centred_KBC, torch.where(counts_BC > 0, mean_BC, least_B1)


@dataclass(frozen=True)
class SpecialistsRule(Rule):
    """Generalists, who know all classes, and for each sample the specialists whom it concerns.

    With a generalist: a specialist is active for a sample whose most probable class, as the mean
    of the generalists has it, is one of its own; its answer is ``completed`` by theirs. Generalists
    and active specialists count the same. Without one: every teacher's unknown classes are filled
    with the ``masked_mean``, and all count the same; so a specialist also speaks, loudly perhaps,
    about samples of which it was never shown the like.

    Source: Hinton, Vinyals & Dean (2015), section 5, in closed form: the paper fits one full
    distribution to all of them by KL for each sample, and gives specialists a further class, the
    dustbin, which ours do not have.
    """

    def __call__(self, said: Said) -> Weighed:
        """Weights, and answers over all classes that somebody knows."""
        heard = replace(said, logits=torch.where(said.present.unsqueeze(2), said.logits, 0.0))
        general_K = said.known.all(dim=1)
        guided_B = said.present[general_K].any(dim=0)
        everybody_KC = said.known.any(dim=0).expand_as(said.known)
        # Unless a teacher was lost there is a guide for every sample, or for none.
        if bool(guided_B.all()):
            logits_KBC, chosen_KB = _guided(heard, general_K)
        else:
            logits_KBC, chosen_KB = _alone(heard), said.present
            if bool(guided_B.any()):
                guided_KBC, guided_KB = _guided(heard, general_K)
                logits_KBC = torch.where(guided_B.unsqueeze(1), guided_KBC, logits_KBC)
                chosen_KB = torch.where(guided_B, guided_KB, chosen_KB)
        return Weighed(shared_equally(chosen_KB), logits=logits_KBC, known=everybody_KC)


def _guided(
    said: Said, general_K: Bool[Tensor, " teachers"]
) -> tuple[Float[Tensor, "teachers batch classes"], Bool[Tensor, "teachers batch"]]:
    """Answers where a generalist is present, and who counts: such ones, and the active."""
    general_BC = generalists_answer(said.logits[general_K], said.present[general_K])
    # A generalist knows the most probable class too.
    concerned_KB = said.known[:, general_BC.argmax(dim=1)] & said.present
    logits_KBC = said.logits.clone()
    logits_KBC[~general_K] = completed(general_BC, said.logits[~general_K], said.known[~general_K])
    return logits_KBC, concerned_KB


def _alone(said: Said) -> Float[Tensor, "teachers batch classes"]:
    """Answers where no generalist is present."""
    centred_KBC, mean_BC = masked_mean(said.logits, said.known, said.present)
    own_KBC = said.known.unsqueeze(1) & said.present.unsqueeze(2)
    return torch.where(own_KBC, centred_KBC, mean_BC)
