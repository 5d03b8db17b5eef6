"""Synthetic card payments for the demo, and the files of a version. Standard library only.

A row is [amount, hour, km_from_home, payments_last_hour, merchant_kind]; merchant_kind is 0 to 5.
"""

import json
import math
import os
import random

COLUMNS = ["amount", "hour", "km_from_home", "payments_last_hour", "merchant_kind"]
N_MERCHANT_KINDS = 6
MERCHANT_RISK = [-0.6, -0.2, 0.0, 0.3, 0.9, 1.2]


def payment(rng):
    """One row and whether it was fraud (0 or 1)."""
    amount = round(math.exp(rng.gauss(3.5, 1.0)), 2)
    hour = rng.randrange(24)
    distance = round(rng.expovariate(1 / 20.0), 1)
    recent = min(9, int(rng.expovariate(1 / 1.2)))
    kind = rng.randrange(N_MERCHANT_KINDS)
    score = -4.6 + 0.02 * amount + 0.03 * distance + 0.5 * recent + MERCHANT_RISK[kind]
    score += 0.5 if hour < 6 else 0.0
    fraud = 1 if rng.random() < 1 / (1 + math.exp(-score)) else 0
    return [amount, float(hour), distance, float(recent), float(kind)], fraud


def payments(n, seed, kinds=None):
    """n rows and their labels; kinds limits the merchant kinds."""
    rng = random.Random(seed)
    rows, labels = [], []
    while len(rows) < n:
        row, fraud = payment(rng)
        if kinds is None or int(row[4]) in kinds:
            rows.append(row)
            labels.append(fraud)
    return rows, labels


def auc(labels, scores):
    """Area under the ROC curve by ranks."""
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    n_pos = sum(labels)
    rank_sum, i = 0.0, 0
    while i < len(order):
        k = i
        while k < len(order) and scores[order[k]] == scores[order[i]]:
            k += 1
        rank_sum += sum((i + k + 1) / 2 for j in range(i, k) if labels[order[j]])
        i = k
    return (rank_sum - n_pos * (n_pos + 1) / 2) / (n_pos * (len(labels) - n_pos))


def metrics(labels, scores):
    """What is registered with a version: text, so that no digit gets lost."""
    hits = sum(1 for label, score in zip(labels, scores) if label == (1 if score > 0.5 else 0))
    return {"auc": "%.4f" % auc(labels, scores), "accuracy": "%.4f" % (hits / len(labels))}


def infer_request(rows, outputs=None):
    """The body of a v2 prediction request."""
    shape = [len(rows), len(rows[0])]
    body = {"inputs": [{"name": "payments", "shape": shape, "datatype": "FP64", "data": rows}]}
    if outputs:
        body["outputs"] = [{"name": name} for name in outputs]
    return body


# Payments that every good version must get right: two plain ones, two that cry fraud.
PLAIN = [[12.5, 13.0, 1.2, 0.0, 0.0], [40.0, 18.0, 5.0, 1.0, 1.0]]
LOUD = [[900.0, 3.0, 220.0, 8.0, 4.0], [650.0, 2.0, 180.0, 7.0, 3.0]]


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=2)
        out.write("\n")


def write_golden(folder, probability):
    """Golden requests; probability(rows) gives the pairs [not fraud, fraud] of the model as trained."""
    labels = [0] * len(PLAIN) + [1] * len(LOUD)
    golden = {
        "request": infer_request(PLAIN + LOUD),
        "expect": {"outputs": [{"name": "predict", "data": labels}]},
        "tolerance": "0",
    }
    write_json(os.path.join(folder, "golden", "obvious.json"), golden)
    pairs = [round(float(p), 6) for pair in probability(PLAIN) for p in pair]
    golden = {
        "request": infer_request(PLAIN, ["predict_proba"]),
        "expect": {"outputs": [{"name": "predict_proba", "data": pairs}]},
        "tolerance": "0.01",
    }
    write_json(os.path.join(folder, "golden", "probability.json"), golden)


def write_settings(folder, implementation, uri):
    """The node's settings of the version. Delivery adds the name and the number."""
    settings = {"implementation": implementation, "parameters": {"uri": uri}}
    write_json(os.path.join(folder, "serving", "model-settings.json"), settings)
