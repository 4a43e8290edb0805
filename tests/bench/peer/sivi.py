#!/usr/bin/env python3
# sivi.py - steps of two semi-implicit methods in PyTorch, written from their
# papers, to be run beside slivi-bench --case posterior:
#
#   ksivi    Cheng, Yu, Xie, Zhang and Zhang (2024): descends the U-statistic of
#            the kernel Stein discrepancy
#              1 / (n (n-1)) sum_{i != j} k(x_i, x_j) f_i' f_j,
#            f = grad log p(x) + u / s, k Gaussian of the batch's median width
#   sivi-sm  Yu and Zhang (2023): min over q, max over a net g, of
#              E[2 g(x)' f - |g(x)|^2],
#            a step of g and then a step of q, each on draws of its own
#
# for the banana, with q: x = mu(e) + s u, mu a net 3-50-50-2 of ReLU, and g a
# net of 128, 128; batch 500, Adam of rate 1e-3 that falls by 0.9 in 1000 steps.
# Before anything is timed the KSD is compared with a double sum, and both steps
# are taken until they have changed the parameters to finite ones.
#
# Times are those of the process, which has one thread, as slivi-bench's are.
# Prints one JSON object a line; with --serve led through standard input, see
# ../peer.h.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
"""Times PyTorch on steps of KSIVI and SIVI-SM."""
import argparse
import json
import math
import statistics
import sys
import time

import torch
from torch import nn

BATCH, NOISE, DIM, HIDDEN, CRITIC = 500, 3, 2, 50, 128
RATE, DECAY, EVERY = 1e-3, 0.9, 1000
SLOPE, VAR = 0.9, 0.19
BLOCK_SECONDS = 0.02


def banana_score(x):
    """grad log p: y ~ N(0, [1 .9; .9 1]), x1 = y1, x2 = y2 - x1^2 - 1."""
    a = x[:, 0]
    gr = -(x[:, 1] + a * a + 1 - SLOPE * a) / VAR
    return torch.stack([-a + gr * (2 * a - SLOPE), gr], 1)


def mlp(inputs, hidden, outputs):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, outputs))


class Family(nn.Module):
    """x = mu(e) + s u"""

    def __init__(self):
        super().__init__()
        self.mean = mlp(NOISE, HIDDEN, DIM)
        self.log_s = nn.Parameter(torch.zeros(DIM))

    def forward(self, n):
        """x, and minus the score of x given e: u / s."""
        u = torch.randn(n, DIM)
        s = self.log_s.exp()
        return self.mean(torch.randn(n, NOISE)) + s * u, u / s


def optimiser(module):
    adam = torch.optim.Adam(module.parameters(), lr=RATE)
    return adam, torch.optim.lr_scheduler.StepLR(adam, EVERY, DECAY)


def descend(loss, adam, schedule):
    adam.zero_grad(set_to_none=True)
    loss.backward()
    adam.step()
    schedule.step()


def ksd(x, f):
    n = len(x)
    square = (x[:, None] - x[None]).square().sum(2)
    with torch.no_grad():
        width = square.flatten().median()
    pairs = torch.exp(-0.5 * square / width) * (f @ f.t())
    return (pairs.sum() - pairs.diagonal().sum()) / (n * (n - 1))


class Ksivi:
    def __init__(self):
        self.q = Family()
        self.how = optimiser(self.q)

    def step(self):
        x, back = self.q(BATCH)
        loss = ksd(x, banana_score(x) + back)
        descend(loss, *self.how)
        return loss


class SiviSm:
    def __init__(self):
        self.q, self.g = Family(), mlp(DIM, CRITIC, DIM)
        self.how, self.how_g = optimiser(self.q), optimiser(self.g)

    def gain(self, x, back):
        g = self.g(x)
        f = banana_score(x) + back
        return (2 * (g * f).sum(1) - g.square().sum(1)).mean()

    def step(self):
        with torch.no_grad():
            x, back = self.q(BATCH)
        descend(-self.gain(x, back), *self.how_g)
        self.g.requires_grad_(False)
        loss = self.gain(*self.q(BATCH))
        descend(loss, *self.how)
        self.g.requires_grad_(True)
        return loss


VERSIONS = {'ksivi': Ksivi, 'sivi-sm': SiviSm}


# ---- verification ------------------------------------------------------------


def plain_ksd(x, f):
    """The same by a double sum over numbers."""
    n, x, f = len(x), x.tolist(), f.tolist()
    square = [[sum((a - b) ** 2 for a, b in zip(p, q)) for q in x] for p in x]
    ordered = sorted(v for row in square for v in row)
    width = ordered[(len(ordered) - 1) // 2]
    return sum(math.exp(-0.5 * square[i][j] / width)
               * sum(a * b for a, b in zip(f[i], f[j]))
               for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


def verify():
    x, f = torch.randn(20, DIM), torch.randn(20, DIM)
    own, plain = ksd(x, f).item(), plain_ksd(x, f)
    if not abs(own - plain) < 1e-5 * max(1, abs(plain)):
        sys.exit(f'ksd is {own:.7g}, by a double sum {plain:.7g}')
    for name, version in VERSIONS.items():
        run = version()
        before = nn.utils.parameters_to_vector(run.q.parameters()).detach()
        losses = [run.step().item() for _ in range(3)]
        after = nn.utils.parameters_to_vector(run.q.parameters()).detach()
        if not all(map(math.isfinite, losses)) or torch.equal(before, after) \
                or not after.isfinite().all():
            sys.exit(f'{name}: its steps are not good: {losses}')


# ---- contenders ----------------------------------------------------------------


class Contender:
    def __init__(self, version):
        self.version, self.run = version, VERSIONS[version]()
        self.times, self.steps = [], 1
        for _ in range(20):
            self.run.step()
        once = min(self.block() for _ in range(3))
        self.steps = max(1, int(BLOCK_SECONDS / once))
        self.times.clear()

    def block(self):
        self.run.step()
        start = time.process_time()
        for _ in range(self.steps):
            self.run.step()
        self.times.append((time.process_time() - start) / self.steps)
        return self.times[-1]

    def row(self):
        t = sorted(1e3 * x for x in self.times)
        low, median, high = (statistics.quantiles(t, n=4, method='inclusive')
                             if len(t) > 1 else (t[0],) * 3)
        return {'case': 'banana', 'version': self.version, 'threads': 1,
                'median_ms': median, 'low_ms': low, 'high_ms': high,
                'least_ms': t[0], 'repeats': len(t), 'steps': self.steps,
                'torch': torch.__version__}


def repeat(contenders, k):
    for i in range(len(contenders)):
        contenders[(i + k) % len(contenders)].block()


def serve(contenders):
    print('ready', flush=True)
    for k, line in enumerate(sys.stdin):
        if line.strip() == 'end':
            break
        repeat(contenders, k)
        print('done', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeat', type=int, default=15)
    parser.add_argument('--serve', action='store_true',
                        help='be led through standard input')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    verify()
    contenders = [Contender(version) for version in VERSIONS]
    if options.serve:
        serve(contenders)
    else:
        for k in range(options.repeat):
            repeat(contenders, k)
    for c in contenders:
        print(json.dumps(c.row()), flush=True)


if __name__ == '__main__':
    main()
