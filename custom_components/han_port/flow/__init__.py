"""Which steps lead from a port to a meter?

One flow, cut by question: each of its parts adds the steps of one to what they share.
"""

from .key import KeySteps
from .listen import ListenSteps
from .moving_in import MovingInSteps
from .topic import TopicSteps

__all__ = ["KeySteps", "ListenSteps", "MovingInSteps", "TopicSteps"]
