"""The exit code and the sentences with which a command ends.

0 done; 2 an error of the user, with a sentence for each problem and no traceback;
130 interrupted; 1 an error of this program or the machine. An error that is not named here is
a defect and keeps its traceback.
"""

from __future__ import annotations

import errno

from cluster.errors import CannotPlace, ClusterError
from orchestrator.errors import RecipeProblems
from search.errors import StudyError
from students.errors import CheckpointError, UserError

INTERNAL_ERROR, USER_ERROR, INTERRUPTED = 1, 2, 130

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_USER = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip


def ending_of(error: BaseException) -> tuple[int, str] | None:
    """The exit code for ``error`` and its sentences, one a line; None for a defect, whose traceback
    is shown."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted; the same command resumes from here"
    if isinstance(error, (RecipeProblems, UserError, StudyError, CannotPlace)):
        return USER_ERROR, str(error)
    if isinstance(error, (ClusterError, CheckpointError)):
        return INTERNAL_ERROR, str(error)
    return _of_system(error) if isinstance(error, OSError) else None


def _of_system(error: OSError) -> tuple[int, str] | None:
    where = f"'{error.filename}'" if error.filename else "a file"
    if error.errno in _FULL:
        return INTERNAL_ERROR, (
            f"the disk is full ({where}); free some space and run the same command again: the "
            "last committed checkpoint is intact"
        )
    if error.errno == errno.EFBIG:
        return INTERNAL_ERROR, (
            f"{where} is larger than a file may be here (`ulimit -f` shows a process's limit); "
            "raise it and run the same command again: the last committed checkpoint is intact"
        )
    if error.errno in _OF_USER:
        reason = (error.strerror or "no access").lower()
        return USER_ERROR, (
            f"{where} cannot be used: {reason}; correct that or choose another place"
        )
    return None
