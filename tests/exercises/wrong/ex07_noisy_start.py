"""The variance starts at 1, as if h_1 were noisy, too."""

HINT = "h_1 has no noise"


def penalty(a, c, s, sigma, T):
    v = [1.0]
    while len(v) < T:
        v.append(1 + a**2 * v[-1])
    return float(0.5 * (sigma * c / s) ** 2 * sum(v))
