"""A model of known faults, pickled for MLServer's scikit-learn runtime: it answers the sum of each row plus
its intercept, fails every n-th call and takes its time. On the servers' PYTHONPATH."""
import time

import numpy


class Shaky:
    def __init__(self, intercept, fails_every=0, sleeps_s=0.0):
        self.intercept, self.fails_every, self.sleeps_s = intercept, fails_every, sleeps_s
        self.n_calls = 0

    def predict(self, rows):
        self.n_calls += 1
        if self.fails_every and self.n_calls % self.fails_every == 0:
            raise ValueError(f"planted: every {self.fails_every}th call fails")
        time.sleep(self.sleeps_s)
        return numpy.asarray(rows).sum(axis=1) + self.intercept
