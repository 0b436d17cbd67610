"""What the emulator does not keep of SageMaker's jobs, nor refuse of a schedule group that is gone.

To be imported by its process.
"""

from __future__ import annotations

from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse
from moto.scheduler.models import EventBridgeSchedulerBackend

_process, _train = SageMakerResponse.create_processing_job, SageMakerResponse.create_training_job


def create_processing_job(self: SageMakerResponse) -> ActionResult:
    answer = _process(self)
    job = self.sagemaker_backend.processing_jobs[self._get_param("ProcessingJobName")]
    job.environment = self._get_param("Environment")
    job.processing_resources = self._get_param("ProcessingResources")
    return answer


def create_training_job(self: SageMakerResponse) -> ActionResult:
    answer = _train(self)
    job = self.sagemaker_backend.training_jobs[self._get_param("TrainingJobName")]
    job.environment = self._get_param("Environment")
    return answer


_delete_group = EventBridgeSchedulerBackend.delete_schedule_group


def delete_schedule_group(self: EventBridgeSchedulerBackend, name: str | None) -> None:
    self.get_schedule_group(name)  # as AWS refuses
    _delete_group(self, name)


EventBridgeSchedulerBackend.delete_schedule_group = delete_schedule_group
SageMakerResponse.create_processing_job = create_processing_job
SageMakerResponse.create_training_job = create_training_job
