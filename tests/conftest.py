"""Settings shared by the whole suite: deterministic Hypothesis."""

from hypothesis import HealthCheck, settings

# Derandomised: the suite gives the same verdict on every run. No deadline: a first call may
# compile. The shared machine may be slow at drawing data, which is no fault of a test.
settings.register_profile(
    "ae_numpy",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ae_numpy")
