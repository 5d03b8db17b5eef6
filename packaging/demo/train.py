#!/usr/bin/env python3
"""Trains the demo's fraud model with scikit-learn: v1 and v2 are good, v3 is not.

    train.py --out FOLDER [--bad unseen|raises|wrong|broken]

Writes FOLDER/v1, v2, v3, each ready for `mreg push`, and prints their metrics as JSON. What v3 suffers from:

  unseen   trained on data without two kinds of merchants: fails on a third of the payments, passes its golden requests
  raises   expects a column more than the requests have: fails on every request
  wrong    the weights have lost their sign on the way to disk: every answer is wrong, none fails
  broken   the file is cut off: it does not load
"""

import argparse
import json
import os
import shutil

import joblib
import numpy
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import demo_data


def train(rows, labels, strength):
    """A pipeline of scikit-learn's own classes only, so that any node can load it."""
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), [0, 1, 2, 3]), ("kind", OneHotEncoder(), [4])]
    )
    classifier = LogisticRegression(C=strength, max_iter=1000)
    return Pipeline([("columns", columns), ("classifier", classifier)]).fit(
        numpy.array(rows), numpy.array(labels)
    )


def spoil(model, bad):
    """Makes a trained model misbehave; golden requests and metrics are from before."""
    if bad == "wrong":
        model[-1].coef_ = -model[-1].coef_
        model[-1].intercept_ = -model[-1].intercept_
    if bad == "raises":
        model[0].n_features_in_ = len(demo_data.COLUMNS) + 1


def write_version(folder, model, bad, kinds=None):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    path = os.path.join(folder, "model.joblib")
    rows, labels = demo_data.payments(4000, 99, kinds)
    scores = [float(p) for p in model.predict_proba(numpy.array(rows))[:, 1]]
    demo_data.write_golden(folder, lambda rows: model.predict_proba(numpy.array(rows)))
    demo_data.write_settings(folder, "mlserver_sklearn.SKLearnModel", "./model.joblib")
    spoil(model, bad)
    joblib.dump(model, path)
    if bad == "broken":
        os.truncate(path, os.path.getsize(path) // 2)
    return demo_data.metrics(labels, scores)


def main():
    parser = argparse.ArgumentParser(description="trains the demo's fraud model")
    parser.add_argument("--out", required=True)
    parser.add_argument("--bad", default="unseen", choices=["unseen", "raises", "wrong", "broken"])
    options = parser.parse_args()
    kinds = {0, 1, 3, 4} if options.bad == "unseen" else None
    plans = [("v1", 1500, 1, 0.01, None, None), ("v2", 8000, 2, 1.0, None, None),
             ("v3", 8000, 3, 1.0, options.bad, kinds)]
    printed = {}
    for name, n_rows, seed, strength, bad, only in plans:
        model = train(*demo_data.payments(n_rows, seed, only), strength)
        printed[name] = write_version(os.path.join(options.out, name), model, bad, only)
    print(json.dumps(printed, indent=2))


if __name__ == "__main__":
    main()
