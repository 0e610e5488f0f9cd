"""Brute force by loops over numbers, from the definitions, sharing no code with the package."""

import itertools
import math


def log_p_x(theta, h, x):
    """log p(x | h) of one hidden state: a softmax if x is a symbol, independent Gaussians if it is
    a vector.
    """
    C, c = theta["C"], theta["c"]
    out = [sum(h[d] * C[d][v] for d in range(len(h))) + c[v] for v in range(len(c))]
    if "log_s" not in theta:
        return out[x] - math.log(sum(math.exp(z) for z in out))
    s = [math.exp(v) for v in theta["log_s"]]
    return sum(
        -0.5 * ((x[m] - out[m]) / s[m]) ** 2 - math.log(s[m]) - 0.5 * math.log(2 * math.pi)
        for m in range(len(out))
    )


def next_h(theta, h, x, linear, noise):
    vector = [1.0 if v == x else 0.0 for v in range(len(theta["U"]))] if "log_s" not in theta else x
    D, new = len(h), []
    for d in range(D):
        a = theta["b"][d] + sum(h[e] * theta["W"][e][d] for e in range(D))
        a += sum(vector[i] * theta["U"][i][d] for i in range(len(vector)))
        new.append((a if linear else math.tanh(a)) + noise[d])
    return new


def log_likelihood(theta, x, linear=False, path=None, particle=0):
    """sum_t log p(x_t | h_t) of one sequence x along one noise path, a list of T - 1 vectors."""
    h, total = list(theta["h1"][particle]), 0.0
    for t in range(len(x)):
        total += log_p_x(theta, h, x[t])
        if t < len(x) - 1:
            h = next_h(theta, h, x[t], linear, [0.0] * len(h) if path is None else path[t])
    return total


def noise_paths(nodes, weights, sigma, T, D):
    """Every noise path as (probability, list of T - 1 vectors)."""
    for choice in itertools.product(range(len(nodes)), repeat=(T - 1) * D):
        vectors = [[sigma * nodes[k] for k in choice[t * D : (t + 1) * D]] for t in range(T - 1)]
        yield math.prod(weights[k] for k in choice), vectors


def evidence_bound_and_gap(theta, x, linear, nodes, weights, sigma):
    """log p(x), K and KL(q || posterior) of one sequence, from a loop over all paths."""
    D = len(theta["b"])
    rows = [
        (w, log_likelihood(theta, x, linear, path))
        for w, path in noise_paths(nodes, weights, sigma, len(x), D)
    ]
    p = sum(w * math.exp(ll) for w, ll in rows)
    gap = sum(w * (math.log(w) - math.log(w * math.exp(ll) / p)) for w, ll in rows)
    return math.log(p), sum(w * ll for w, ll in rows), gap
