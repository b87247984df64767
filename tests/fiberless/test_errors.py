"""The error tree: what its docstring draws, and what Python's own handlers can do with it."""

import copy

import pytest

from fiberless import errors
from fiberless.errors import (
    CLIENT_SLUGS,
    PROBLEMS,
    FatalError,
    FiberlessError,
    JobCancelled,
    JobFailed,
    JobTimeout,
    NotFound,
    ServiceUnreachable,
    TransientError,
    UsageError,
)

FAILED = JobFailed("j_1", UsageError("outside-footprint", "no image"))
ONE_OF_EACH = [
    UsageError("invalid-parameter", "wrong"),
    TransientError("rate-limited", "slower"),
    FatalError("internal-error", "ours"),
    NotFound("nothing"),
    JobCancelled("cancelled"),
    JobTimeout("late"),
    ServiceUnreachable("away"),
    FAILED,
]


def test_the_docstring_draws_every_class_of_the_tree():
    drawn = [
        line.split()[1:]
        for line in errors.__doc__.replace("│", " ").splitlines()
        if "├──" in line or "└──" in line
    ]
    classes = [type(error).__name__ for error in ONE_OF_EACH]
    assert sorted(words[0] for words in drawn) == sorted(classes)
    assert {name for name in errors.__all__ if isinstance(getattr(errors, name), type)} == {
        *classes,
        "ErrorKind",
        "FiberlessError",
        "Problem",
    }


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error):
    """Processes hand errors over as their class and arguments, as copies are made."""
    again = copy.copy(error)
    assert type(again) is type(error)
    assert (str(again), again.slug, again.detail, again.kind) == (
        str(error),
        error.slug,
        error.detail,
        error.kind,
    )
    assert type(error)(*error.args).detail == error.detail


def test_only_the_callers_fault_is_a_wrong_value():
    assert [isinstance(error, ValueError) for error in ONE_OF_EACH] == [True, False, False, True] + 4 * [
        False
    ]


def test_what_only_a_client_meets_has_no_answer_of_the_service():
    assert not CLIENT_SLUGS & PROBLEMS.keys()
    assert {error.slug for error in ONE_OF_EACH if error.slug in CLIENT_SLUGS} == CLIENT_SLUGS
    with pytest.raises(KeyError):
        FAILED.problem  # noqa: B018  # reading it is the test
    with pytest.raises(KeyError, match="unknown problem slug"):
        FiberlessError("no-such-thing", "")
