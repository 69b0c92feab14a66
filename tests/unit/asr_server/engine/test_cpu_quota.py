import os

import pytest

from asr_server.engine import cpu_quota

QUOTAS = {
    "no cgroup at all": ({}, 7),
    "v2 without a limit": ({"cpu.max": "max 100000\n"}, 7),
    "v2, four and a half": ({"cpu.max": "450000 100000\n"}, 3),
    "v2, three CPUs": ({"cpu.max": "300000 100000\n"}, 2),
    "v2, two and a half": ({"cpu.max": "250000 100000\n"}, 2),
    "v2, one CPU": ({"cpu.max": "100000 100000\n"}, 1),
    "v2, two CPUs": ({"cpu.max": "200000 100000\n"}, 2),
    "v2, one and a half": ({"cpu.max": "150000 100000\n"}, 1),
    "v2, a tenth": ({"cpu.max": "10000 100000\n"}, 1),
    "v2, more than there are": ({"cpu.max": "6400000 100000\n"}, 7),
    "v1 without a limit": ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000"}, 7),
    "v1, three CPUs": ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 2),
}


@pytest.mark.parametrize(("files", "threads"), QUOTAS.values(), ids=QUOTAS)
def test_threads_follow_the_quota_and_leave_a_cpu_of_many_to_the_front(
    tmp_path, monkeypatch, files, threads
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert cpu_quota.count_threads(tmp_path) == threads


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_threads_follow_the_cpus_that_the_process_may_use(tmp_path, monkeypatch, cpus, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)))
    assert cpu_quota.count_threads(tmp_path) == threads
