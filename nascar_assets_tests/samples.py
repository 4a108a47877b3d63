"""The sample of a seed, generated once a process: a second and a half for each test file else."""

from functools import cache

from nascar_assets.sample import generate_sample

sample_of = cache(generate_sample)
