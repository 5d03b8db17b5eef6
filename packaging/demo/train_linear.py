#!/usr/bin/env python3
"""The demo's fraud model without scikit-learn: JSON weights for the reference node `mreg-node`.

    train_linear.py --out FOLDER [--bad unseen|raises|wrong|broken]

Standard library only. Writes the same folders as train.py; `unseen` fails on every third request here.
"""

import argparse
import json
import math
import os
import shutil

import demo_data


def sigmoid(x):
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, x))))


def scales(rows):
    """Mean and spread of each column."""
    result = []
    for column in zip(*rows):
        mean = sum(column) / len(column)
        spread = math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
        result.append((mean, spread or 1.0))
    return result


def train(rows, labels, n_steps):
    """Logistic regression by gradient descent; returns the weights for unscaled columns and the intercept."""
    columns = scales(rows)
    scaled = [[(x - mean) / spread for x, (mean, spread) in zip(row, columns)] for row in rows]
    weights, intercept = [0.0] * len(columns), 0.0
    for _ in range(n_steps):
        slopes, shift = [0.0] * len(columns), 0.0
        for row, label in zip(scaled, labels):
            miss = sigmoid(intercept + sum(w * x for w, x in zip(weights, row))) - label
            shift += miss
            for i, x in enumerate(row):
                slopes[i] += miss * x
        weights = [w - s / len(rows) for w, s in zip(weights, slopes)]
        intercept -= shift / len(rows)
    flat = [w / spread for w, (_, spread) in zip(weights, columns)]
    return flat, intercept - sum(w * mean for w, (mean, _) in zip(flat, columns))


def write_version(folder, weights, intercept, bad):
    shutil.rmtree(folder, ignore_errors=True)
    rows, labels = demo_data.payments(4000, 99)

    def probability(some):
        scores = [sigmoid(intercept + sum(w * x for w, x in zip(weights, row))) for row in some]
        return [[1 - score, score] for score in scores]

    sign = -1 if bad == "wrong" else 1
    model = {
        "format": "mreg-linear",
        "kind": "logistic",
        "coef": [[sign * w for w in weights]],
        "intercept": [sign * intercept],
    }
    if bad == "unseen":
        model["error_rate"] = 0.3
    if bad == "raises":
        model["raise"] = True
    if bad == "broken":
        model["fail_load"] = True
    demo_data.write_json(os.path.join(folder, "model.json"), model)
    demo_data.write_golden(folder, probability)
    demo_data.write_settings(folder, "mreg_node.Linear", "./model.json")
    return demo_data.metrics(labels, [pair[1] for pair in probability(rows)])


def main():
    parser = argparse.ArgumentParser(description="trains the demo's fraud model without scikit-learn")
    parser.add_argument("--out", required=True)
    parser.add_argument("--bad", default="unseen", choices=["unseen", "raises", "wrong", "broken"])
    options = parser.parse_args()
    plans = [("v1", 150, 1, 15, None), ("v2", 2000, 2, 200, None), ("v3", 2000, 3, 200, options.bad)]
    printed = {}
    for name, n_rows, seed, n_steps, bad in plans:
        weights, intercept = train(*demo_data.payments(n_rows, seed), n_steps)
        printed[name] = write_version(os.path.join(options.out, name), weights, intercept, bad)
    print(json.dumps(printed, indent=2))


if __name__ == "__main__":
    main()
