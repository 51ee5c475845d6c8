"""What holds for all tests; imports no Home Assistant, as some run where there is none."""

from hypothesis import settings

# The same examples in every run, however slow the machine
settings.register_profile("repository", deadline=None, derandomize=True)
settings.load_profile("repository")
