"""A job that failed says in words why, and what to do, not Dagster's account of it."""

import dagster as dg
import pytest

from nascar_assets.service.contracts import JobStatus, OptimizationStatus
from nascar_assets.service.problems import ended_without
from nascar_assets.service.run_log import reason_of


def failed(error):
    @dg.op
    def fails():
        raise error

    @dg.job
    def job():
        fails()

    instance = dg.DagsterInstance.ephemeral()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = job.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet)
    return reason_of(instance, done.run_id)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (dg.Failure("The disk is full.", allow_retries=False), "The disk is full."),
        (ZeroDivisionError("no lap"), "It failed by a fault of the program: "
         "ZeroDivisionError: no lap"),
    ],
)  # fmt: skip
def test_the_reason_is_the_faults_own_words(error, said):
    assert failed(error) == said


def test_what_to_do_comes_with_it():
    status = OptimizationStatus(
        run_id="0f", status=JobStatus.FAILED, progress=0.2, error="The disk is full."
    )
    problem = ended_without(status).problem
    assert (problem.code, problem.message) == ("JOB_FAILED", "The disk is full.")
    assert "Send it again" in problem.remedy
    assert "0f" in problem.remedy
    gone = ended_without(status.model_copy(update={"status": JobStatus.CANCELLED})).problem
    assert gone.remedy is None
