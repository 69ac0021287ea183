"""Parts of a plan, sizes of batches, and places for actors: decided without a cluster."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
import ray
import torch

from raygrad import plan
from raygrad.cluster import run as run_module
from raygrad.cluster.batch_size import _free, _share, fastest
from raygrad.cluster.options import Options, Part
from raygrad.cluster.placement import (
    NODE_GROUPS,
    Capacity,
    capacity,
    most_actors,
    refuse_unplaceable,
)
from raygrad.cluster.tolerance import Tolerance
from raygrad.errors import SpecError
from raygrad.spec import ActorsSpec, JobSpec
from raygrad.validate import prepare

SMALL, LARGE = {"CPU": 4.0}, {"CPU": 16.0, "GPU": 4.0, "accelerator_type:L4": 1.0}


def spec(**actors) -> JobSpec:
    return JobSpec.model_construct(actors=ActorsSpec(**actors))


@pytest.mark.parametrize("of", [1, 3, 8])
def test_parts_hold_each_unit_once(of):
    parts = [Part.parse(f"{number}/{of}") for number in range(1, of + 1)]
    assert sum(part.share(20).astype(int) for part in parts).tolist() == [1] * 20


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "a/b", "3/0", "-1/2", "1/2/3"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(SpecError, match=r"--part: got .*; use NUMBER/OF, such as 3/8"):
        Part.parse(text)


class TestBatchSize:
    def test_it_grows_while_that_gains(self):
        assert fastest(lambda size: 1 + size / 1000, lambda: 0) == 1024

    def test_it_stays_small_where_time_is_linear(self):
        assert fastest(lambda size: size / 100, lambda: 0) == 8

    def test_one_size_without_gain_is_passed_over(self):
        seconds = {8: 1.0, 16: 2.0, 32: 2.0}
        assert fastest(lambda size: seconds.get(size, size / 16), lambda: 0) == 32

    def test_it_stays_within_the_memory(self):
        sizes = []
        assert fastest(lambda size: sizes.append(size) or 1.0, lambda: sizes[-1] / 200) == 64

    def test_out_of_memory_ends_the_search(self):
        def seconds(size):
            if size > 100:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return 1.0

        assert fastest(seconds, lambda: 0) == 64


class TestMemory:
    def test_actors_that_share_a_device_or_node_share_its_memory(self):
        there = Capacity([(SMALL, 1), (LARGE, 2)], False)
        assert _share(spec(gpus=0.25), there) == 0.25
        assert _share(spec(gpus=2.0), there) == 1
        assert _share(spec(gpus=0.0, cpus=2.0), there) == 1 / 8
        assert _share(spec(gpus=0.0, cpus=2.0, max=3), there) == 1 / 3

    def test_a_containers_limit_counts(self, tmp_path):
        unlimited = _free(tmp_path)
        (tmp_path / "memory.current").write_text("1000\n")
        (tmp_path / "memory.max").write_text("max\n")
        assert _free(tmp_path) > 1 << 20 < unlimited
        (tmp_path / "memory.max").write_text("51000\n")
        assert _free(tmp_path) == 50_000


class TestPlacement:
    def test_what_fits_is_let_through(self):
        assert refuse_unplaceable(spec(min=2, gpus=2.0), Capacity([(LARGE, 1)], False)) == []

    @pytest.mark.parametrize(
        ("actors", "complaint"),
        [
            ({"cpus": 8.0}, "actors.cpus: 1 actors of 8 CPU don't fit; this machine has 1 of 4"),
            ({"gpus": 1.0}, "actors.gpus: 1 actors of 1 GPU don't fit; this machine has 1 of 4 CP"),
            ({"accelerator": "H100"}, "actors.accelerator: 1 actors on H100 don't fit; this mac"),
            ({"min": 8}, r"actors.cpus: 8 actors of 0.5 CPUs and a reader of 0.4 need 4.4 CPUs"),
        ],
    )
    def test_what_a_machine_never_has_is_refused(self, actors, complaint):
        with pytest.raises(SpecError) as caught:
            refuse_unplaceable(spec(**actors), Capacity([(SMALL, 1)], False))
        assert complaint in str(caught.value)

    def test_an_actor_is_on_one_node(self):
        both = Capacity([(SMALL, 5), (LARGE, 1)], True)
        with pytest.raises(SpecError, match="1 actors of 18 CPU don't fit; the cluster at its la"):
            refuse_unplaceable(spec(cpus=18.0), both)

    def test_cpus_and_gpus_are_of_the_same_node(self):
        apart = Capacity([({"CPU": 8.0}, 1), ({"CPU": 1.0, "GPU": 1.0}, 1)], True)
        with pytest.raises(SpecError, match="actors: 1 actors don't fit, each on one node"):
            refuse_unplaceable(spec(cpus=4.0, gpus=1.0), apart)

    def test_an_autoscaler_that_can_grow_is_believed(self):
        grown = Capacity([(SMALL, 1), (LARGE, 1000)], True)
        assert refuse_unplaceable(spec(min=1000, gpus=1.0), grown) == []

    def test_what_nobody_knows_is_a_warning(self):
        (warning,) = refuse_unplaceable(spec(gpus=1.0), Capacity([(SMALL, 2)], None))
        assert "the cluster now has 2 of 4 CPU, 0 GPU. The job waits until" in warning

    def test_what_may_come_is_read_from_the_environment(self, monkeypatch):
        monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 0.0}}])
        assert capacity(embedded=False).grows is None
        groups = [{"resources": {"CPU": 6, "GPU": 1}, "max": 8}]
        monkeypatch.setenv(NODE_GROUPS, json.dumps(groups))
        found = capacity(embedded=False)
        assert (found.grows, found.total("GPU"), found.total("CPU")) == (True, 8, 48)
        assert capacity(embedded=True).total("CPU") == 0

    def test_fractions_of_a_gpu_are_of_one_gpu_each(self):
        assert refuse_unplaceable(spec(min=8, gpus=0.5), Capacity([(LARGE, 1)], False)) == []
        with pytest.raises(SpecError, match=r"9 actors of 0\.5 GPU don't fit"):
            refuse_unplaceable(spec(min=9, gpus=0.5), Capacity([(LARGE, 1)], False))

    def test_by_default_there_is_an_actor_a_gpu_that_can_come(self):
        assert most_actors(spec(), Capacity([(SMALL, 1), (LARGE, 3)], True)) == 12
        assert most_actors(spec(), Capacity([(SMALL, 3)], False)) == 6
        assert most_actors(spec(max=2), Capacity([(LARGE, 3)], True)) == 2


class TestPartOfARun:
    """What a run of a part sets out to score, without a Ray."""

    @pytest.fixture
    def scored(self, monkeypatch):
        """The jobs and units that would be scored."""
        calls = []
        monkeypatch.setattr(run_module, "ray_session", lambda *_: contextlib.nullcontext())
        monkeypatch.setattr(run_module, "_score", lambda job, units, *_: calls.append((job, units)))
        return calls

    def test_it_is_of_the_whole_plan_whatever_is_done(self, scored, job_folder):
        job = prepare(job_folder.spec({"rows_per_file": 3}))
        names = [unit.path for unit in job.units]
        assert len(names) == 4
        plan.save(job.spec.output, job.fresh)
        done = replace(prepare("job.yaml"), done=np.arange(4) == 0)
        summary = run_module.run(done, Options(part=Part(1, 2)))
        run_module.run(prepare("job.yaml"), Options(part=Part(2, 2)))
        (first, mine), (_, others) = scored
        assert [unit.path for unit in mine] == [names[2]]
        assert [unit.path for unit in others] == [names[1], names[3]]
        assert (summary.rows_before, summary.rows_open) == (3, 3)
        assert Tolerance(replace(first, spec=halves(first.spec)), "log").most == 3

    def test_a_share_without_units_is_done_at_once(self, scored, job_folder):
        summary = run_module.run(prepare(job_folder.spec()), Options(part=Part(7, 8)))
        assert scored == []
        assert summary.complete


def halves(spec: JobSpec) -> JobSpec:
    return spec.model_copy(update={"max_errors": 0.5})
