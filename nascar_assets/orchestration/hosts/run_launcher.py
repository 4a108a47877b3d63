"""What Dagster starts runs by: its launcher of the machine, of Celery, Kubernetes or Docker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext

from nascar_assets.errors import EnvironmentFault
from nascar_assets.orchestration.hosts.presence import host_tags
from nascar_assets.orchestration.launchers import (
    CONFIG_MAP,
    IMAGE,
    NETWORK,
    SECRET,
    SETTING,
    Launcher,
    launcher,
)

_PASSED = ("NASCAR_", "AWS_")
"""Settings whose names begin so hold in a container of a run as they do here."""


class SettingRunLauncher(DefaultRunLauncher):
    """The launcher of this machine, or the one that `NASCAR_LAUNCHER` chooses in its place."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
        """Made by Dagster whenever an instance is opened.

        Raises:
            InputError: If a setting is of no use or missing.
            EnvironmentFault: If packages are missing.
        """
        chosen = launcher()
        if chosen is Launcher.CELERY:
            from nascar_assets.orchestration.hosts.celery_launcher import CeleryLauncher

            return CeleryLauncher(inst_data=inst_data)
        if chosen is Launcher.KUBERNETES:
            return _kubernetes(inst_data)
        return _docker(inst_data) if chosen is Launcher.DOCKER else cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Starts a run on this machine, and says so where other machines ask."""
        if tags := host_tags():
            self._instance.add_run_tags(context.dagster_run.run_id, tags)
        super().launch_run(context)


def _kubernetes(inst_data: Any) -> Any:
    from dagster_k8s import K8sRunLauncher
    from kubernetes.config import ConfigException

    secret = os.environ.get(SECRET)
    make = partial(
        K8sRunLauncher,
        service_account_name=os.environ.get("NASCAR_KUBERNETES_ACCOUNT") or "default",
        job_namespace=os.environ.get("NASCAR_KUBERNETES_NAMESPACE") or "default",
        instance_config_map=os.environ[CONFIG_MAP],
        job_image=os.environ[IMAGE],
        dagster_home=os.environ["DAGSTER_HOME"],
        # Values come from the cluster's own config map and secret: none stands in a job's text.
        env_config_maps=[os.environ[CONFIG_MAP]],
        env_secrets=[secret] if secret else [],
        fail_pod_on_run_failure=True,
        inst_data=inst_data,
    )
    try:
        return make()
    except ConfigException as error:
        raise EnvironmentFault(
            f"{SETTING}=kubernetes asks the cluster that this process runs in, and it runs in "
            f"none ({error}). Run it there (docs/deploy.md), or choose another launcher."
        ) from error


def _docker(inst_data: Any) -> Any:
    from dagster_docker import DockerRunLauncher

    return DockerRunLauncher(
        image=os.environ[IMAGE],
        network=os.environ.get(NETWORK) or None,
        env_vars=sorted(name for name in os.environ if name.startswith(_PASSED)),
        container_kwargs={"auto_remove": True},
        inst_data=inst_data,
    )
