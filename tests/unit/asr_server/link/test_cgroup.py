import pytest

from asr_server.link import cgroup

V1 = {
    "cpu/cpu.cfs_quota_us": "30000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpuacct/cpuacct.usage": "2500000000\n",
}
V2 = {"cpu.max": "50000 100000\n", "cpu.stat": "usage_usec 1250000\nuser_usec 1000000\n"}


@pytest.mark.parametrize(
    ("files", "limit", "used_s"),
    [
        ({}, None, None),
        (V1, 0.3, 2.5),
        (V2, 0.5, 1.25),
        (V1 | {"cpu/cpu.cfs_quota_us": "-1\n"}, None, 2.5),
        (V2 | {"cpu.max": "max 100000\n"}, None, 1.25),
    ],
)
def test_limit_and_use_of_cpus_are_read_from_either_version(tmp_path, files, limit, used_s):
    write(tmp_path, files)
    assert cgroup.read_cpu_limit(tmp_path) == limit
    assert cgroup.read_cpu_used_s(tmp_path) == used_s


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
