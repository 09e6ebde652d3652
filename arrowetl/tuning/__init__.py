"""Settings that are learned from run to run."""

from arrowetl.tuning.tuner import AutoTuner as AutoTuner
from arrowetl.tuning.tuner import Proposal as Proposal
