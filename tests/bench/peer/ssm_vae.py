#!/usr/bin/env python3
# ssm_vae.py - the benchmark's steps in PyTorch, written from Song, Garg, Shi
# and Ermon (2019), to be run beside slivi-bench.
#
# Three versions of each step:
#   plain     the recipe: v'J by autograd with create_graph, torch.optim.RMSprop
#   tuned     [primal; tangent] rows stacked, gradients derived by hand into one
#             flat vector, no autograd, RMSprop in passes over the flat vector,
#             the encoder's product with x shared by both passes of a step
#   compiled  tuned through torch.compile (left out where that does not work)
# Their gradients are compared before anything is timed.
#
# Prints one JSON object a line: case, version, threads, median_ms and so on.
# With --serve it is led through standard input, see ../peer.h.
#
# Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING.
"""Times PyTorch on the steps of slivi-bench."""
import argparse
import json
import os
import statistics
import sys
import time

import torch
from torch import nn

DIM, BATCH, IMAGES = 784, 128, 2048
RATE, ALPHA, EPS = 1e-3, 0.99, 1e-8
BLOCK_SECONDS = 0.02


# ---- plain -----------------------------------------------------------------


def mlp(inputs, hidden, outputs):
    return nn.Sequential(
        nn.Linear(inputs, hidden[0]), nn.Tanh(),
        nn.Linear(hidden[0], hidden[1]), nn.Tanh(),
        nn.Linear(hidden[1], outputs))


def rmsprop(net):
    params = net.parameters() if isinstance(net, nn.Module) else net
    return torch.optim.RMSprop(params, lr=RATE, alpha=ALPHA, eps=EPS)


def join(*parts):
    return torch.cat([p for p in parts if p is not None], 1)


def ssm_vr(net, z, x, v):
    """E[v'J v + |s|^2 / 2] with one slice for each sample."""
    z = z.detach().requires_grad_()
    s = net(join(z, x))
    (vj,) = torch.autograd.grad((s * v).sum(), z, create_graph=True)
    return ((vj * v).sum(1) + 0.5 * (s * s).sum(1)).mean()


class PlainScore:
    def __init__(self, d, c, hidden):
        self.net = mlp(d + c, hidden, d)
        self.optimizer = rmsprop(self.net)

    def gradients(self, z, x, v):
        self.optimizer.zero_grad()
        loss = ssm_vr(self.net, z, x, v)
        loss.backward()
        return loss

    def step(self, z, x, v):
        self.gradients(z, x, v)
        self.optimizer.step()


class PlainVae:
    def __init__(self, d, hidden):
        self.encoder = mlp(DIM + d, hidden, d)
        self.decoder = mlp(d, hidden, DIM)
        self.score = mlp(d + DIM, hidden, d)
        self.fit = nn.BCEWithLogitsLoss(reduction='sum')
        self.optimizer = rmsprop([*self.encoder.parameters(),
                                  *self.decoder.parameters()])
        self.score_optimizer = rmsprop(self.score)

    def score_gradients(self, x, e, v):
        self.score_optimizer.zero_grad()
        loss = ssm_vr(self.score, self.encoder(join(x, e)), x, v)
        loss.backward()

    def model_gradients(self, x, e):
        self.optimizer.zero_grad()
        z = self.encoder(join(x, e))
        with torch.no_grad():
            s = self.score(join(z, x))
        loss = (self.fit(self.decoder(z), x)
                + (0.5 * z * z + s * z).sum()) / len(x)
        loss.backward()

    def step(self, x, e, v, e2):
        self.score_gradients(x, e, v)
        self.score_optimizer.step()
        self.model_gradients(x, e2)
        self.optimizer.step()


# ---- by hand ---------------------------------------------------------------


class Flat:
    """Parameters of some nets in one vector, with its gradient."""

    def __init__(self, *widths):
        sizes = [n for w in widths for i, o in zip(w, w[1:])
                 for n in (i * o, o)]
        self.value = torch.zeros(sum(sizes))
        self.gradient = torch.zeros(sum(sizes))
        self.square = torch.zeros(sum(sizes))
        self.nets = [self.views(self.value, widths, k)
                     for k in range(len(widths))]
        self.grads = [self.views(self.gradient, widths, k)
                      for k in range(len(widths))]

    @staticmethod
    def views(flat, widths, which):
        at, views = 0, []
        for k, w in enumerate(widths):
            for i, o in zip(w, w[1:]):
                if k == which:
                    views += [flat[at:at + i * o].view(i, o),
                              flat[at + i * o:at + i * o + o]]
                at += i * o + o
        return views

    def load(self, which, module):
        """Takes the parameters of a plain net, whose weights are [out][in]."""
        with torch.no_grad():
            for view, p in zip(self.nets[which], module.parameters()):
                view.copy_(p.t() if p.dim() == 2 else p)

    def update(self):
        g = self.gradient
        self.square.mul_(ALPHA).addcmul_(g, g, value=1 - ALPHA)
        self.value.addcdiv_(g, self.square.sqrt().add_(EPS), value=-RATE)


def pair(a, b, n):
    """Rows a of the layer's input to [tanh; tangent]."""
    h = torch.tanh(a[:n] + b)
    return torch.cat([h, a[n:] * (1 - h * h)])


def pull(h, g, n):
    """Adjoint of pair's rows."""
    t, d, gd = 1 - h[:n] * h[:n], h[n:], g[n:]
    return torch.cat([t * g[:n] - 2 * h[:n] * d * gd, t * gd])


def score_backward(net, grad, z, x, v):
    w1, b1, w2, b2, w3, b3 = net
    g1w, g1b, g2w, g2b, g3w, g3b = grad
    n, d = z.shape
    zv = torch.cat([z, v])
    a = zv @ w1[:d]
    if x is not None:
        a[:n].addmm_(x, w1[d:])
    h1 = pair(a, b1, n)
    h2 = pair(h1 @ w2, b2, n)
    s = torch.addmm(b3, h2[:n], w3)
    gs = torch.cat([s, v]) / n
    torch.mm(h2.t(), gs, out=g3w)
    torch.sum(gs[:n], 0, out=g3b)
    g2 = gs @ w3.t()
    trace = (h2[n:] * g2[n:]).sum()
    g2 = pull(h2, g2, n)
    torch.mm(h1.t(), g2, out=g2w)
    torch.sum(g2[:n], 0, out=g2b)
    g1 = pull(h1, g2 @ w2.t(), n)
    torch.mm(zv.t(), g1, out=g1w[:d])
    if x is not None:
        torch.mm(x.t(), g1[:n], out=g1w[d:])
    torch.sum(g1[:n], 0, out=g1b)
    return trace + 0.5 * (s * s).sum() / n


def ready(path):
    return torch.compile(path, dynamic=False)


class HandScore:
    def __init__(self, d, c, hidden, compiled):
        self.flat = Flat([d + c, *hidden, d])
        self.step = ready(self.plain_step) if compiled else self.plain_step

    def gradients(self, z, x, v):
        return score_backward(self.flat.nets[0], self.flat.grads[0], z, x, v)

    def plain_step(self, z, x, v):
        loss = self.gradients(z, x, v)
        self.flat.update()
        return loss


class HandVae:
    def __init__(self, d, hidden, compiled):
        self.d = d
        self.model = Flat([DIM + d, *hidden, d], [d, *hidden, DIM])
        self.score = Flat([d + DIM, *hidden, d])
        self.step = ready(self.plain_step) if compiled else self.plain_step

    def first(self, x):
        w1, b1 = self.model.nets[0][:2]
        return torch.addmm(b1, x, w1[:DIM])

    def encode(self, ex, e):
        w1, _, w2, b2, w3, b3 = self.model.nets[0]
        h1 = torch.tanh(torch.addmm(ex, e, w1[DIM:]))
        h2 = torch.tanh(torch.addmm(b2, h1, w2))
        return h1, h2, torch.addmm(b3, h2, w3)

    def score_gradients(self, x, ex, e, v):
        z = self.encode(ex, e)[2]
        return score_backward(self.score.nets[0], self.score.grads[0], z, x, v)

    def scores(self, z, x):
        w1, b1, w2, b2, w3, b3 = self.score.nets[0]
        a = torch.addmm(b1, x, w1[self.d:]).addmm_(z, w1[:self.d])
        return torch.addmm(b3, torch.tanh(torch.addmm(b2, torch.tanh(a), w2)),
                           w3)

    def decode(self, z, x):
        """The decoder's gradients and its adjoint of z."""
        w1, b1, w2, b2, w3, b3 = self.model.nets[1]
        g1w, g1b, g2w, g2b, g3w, g3b = self.model.grads[1]
        f1 = torch.tanh(torch.addmm(b1, z, w1))
        f2 = torch.tanh(torch.addmm(b2, f1, w2))
        y = torch.addmm(b3, f2, w3)
        fit = (nn.functional.softplus(y) - x * y).sum()
        gy = (torch.sigmoid(y) - x) / len(x)
        torch.mm(f2.t(), gy, out=g3w)
        torch.sum(gy, 0, out=g3b)
        gf = (gy @ w3.t()) * (1 - f2 * f2)
        torch.mm(f1.t(), gf, out=g2w)
        torch.sum(gf, 0, out=g2b)
        gf = (gf @ w2.t()) * (1 - f1 * f1)
        torch.mm(z.t(), gf, out=g1w)
        torch.sum(gf, 0, out=g1b)
        return fit, gf @ w1.t()

    def model_gradients(self, x, ex, e):
        _, _, w2, _, w3, _ = self.model.nets[0]
        g1w, g1b, g2w, g2b, g3w, g3b = self.model.grads[0]
        h1, h2, z = self.encode(ex, e)
        fit, gz = self.decode(z, x)
        gz = gz + (z + self.scores(z, x)) / len(x)
        torch.mm(h2.t(), gz, out=g3w)
        torch.sum(gz, 0, out=g3b)
        g = (gz @ w3.t()) * (1 - h2 * h2)
        torch.mm(h1.t(), g, out=g2w)
        torch.sum(g, 0, out=g2b)
        g = (g @ w2.t()) * (1 - h1 * h1)
        torch.mm(x.t(), g, out=g1w[:DIM])
        torch.mm(e.t(), g, out=g1w[DIM:])
        torch.sum(g, 0, out=g1b)
        return fit

    def plain_step(self, x, e, v, e2):
        ex = self.first(x)
        loss = self.score_gradients(x, ex, e, v)
        self.score.update()
        fit = self.model_gradients(x, ex, e2)
        self.model.update()
        return loss, fit


# ---- contenders ------------------------------------------------------------


class VaeCase:
    def __init__(self, d, version):
        self.d, self.at = d, 0
        self.pixels = torch.rand(IMAGES, DIM) ** 6
        hidden = [256, 256]
        self.run = PlainVae(d, hidden) if version == 'plain' else \
            HandVae(d, hidden, version == 'compiled')

    def step(self):
        self.at = (self.at + BATCH) % IMAGES
        x = self.pixels[self.at:self.at + BATCH]
        x = (torch.rand(BATCH, DIM) < x).float()
        self.run.step(x, *(torch.randn(BATCH, self.d) for _ in range(3)))

    def verify(self):
        a, b = PlainVae(self.d, [256, 256]), HandVae(self.d, [256, 256], False)
        for k, net in enumerate((a.encoder, a.decoder)):
            b.model.load(k, net)
        b.score.load(0, a.score)
        x = (self.pixels[:BATCH] > 0.5).float()
        e, v, e2 = (torch.randn(BATCH, self.d) for _ in range(3))
        a.score_gradients(x, e, v)
        a.model_gradients(x, e2)
        with torch.no_grad():
            ex = b.first(x)
            b.score_gradients(x, ex, e, v)
            b.model_gradients(x, ex, e2)
        return max(distance(a.score, b.score, 0),
                   distance(a.encoder, b.model, 0),
                   distance(a.decoder, b.model, 1))


class ScoreCase:
    def __init__(self, d, c, hidden, n, version):
        self.shape = d, c, hidden
        self.z = torch.randn(n, d)
        self.x = torch.rand(n, c) if c else None
        self.run = PlainScore(d, c, hidden) if version == 'plain' else \
            HandScore(d, c, hidden, version == 'compiled')

    def step(self):
        self.run.step(self.z, self.x, torch.randn_like(self.z))

    def verify(self):
        a, b = PlainScore(*self.shape), HandScore(*self.shape, False)
        b.flat.load(0, a.net)
        v = torch.randn_like(self.z)
        loss = a.gradients(self.z, self.x, v).item()
        with torch.no_grad():
            own = b.gradients(self.z, self.x, v).item()
        return max(distance(a.net, b.flat, 0),
                   abs(loss - own) / max(1, abs(loss)))


def distance(module, flat, which):
    plain = torch.cat([(p.grad.t() if p.dim() == 2 else p.grad).reshape(-1)
                       for p in module.parameters()])
    own = torch.cat([g.reshape(-1) for g in flat.grads[which]])
    return ((plain - own).norm() / plain.norm()).item()


CASES = {'vae-z8': lambda how: VaeCase(8, how),
         'vae-z32': lambda how: VaeCase(32, how)}
for size in (128, 512, 2048):
    for name, context in (('conditional', DIM), ('marginal', 0)):
        CASES[f'score-{name}-{size}'] = \
            lambda how, c=context, n=size: ScoreCase(32, c, [256, 256], n, how)
CASES['score-small'] = lambda how: ScoreCase(2, 1, [50, 50], 100, how)


class Contender:
    def __init__(self, case, version, threads):
        self.case, self.version, self.threads = case, version, threads
        self.times = []
        self.runs = CASES[case](version)
        self.steps = 1
        self.block()
        once = min(self.block() for _ in range(3))
        self.steps = max(1, int(BLOCK_SECONDS / once))
        self.times.clear()

    def block(self):
        torch.set_num_threads(self.threads)
        grad = torch.enable_grad() if self.version == 'plain' \
            else torch.no_grad()
        with grad:
            self.runs.step()
            start = time.perf_counter()
            for _ in range(self.steps):
                self.runs.step()
            self.times.append((time.perf_counter() - start) / self.steps)
        return self.times[-1]

    def row(self):
        t = sorted(1e3 * x for x in self.times)
        low, median, high = (statistics.quantiles(t, n=4, method='inclusive')
                             if len(t) > 1 else (t[0],) * 3)
        return {'case': self.case, 'version': self.version,
                'threads': self.threads, 'median_ms': median, 'low_ms': low,
                'high_ms': high, 'least_ms': t[0], 'repeats': len(t),
                'steps': self.steps, 'torch': torch.__version__}


def enter(options):
    versions = options.versions.split(',')
    all_ = []
    for case in CASES:
        if options.only not in case:
            continue
        error = CASES[case]('tuned').verify()
        if not error < 1e-4:
            sys.exit(f'{case}: plain and tuned differ by {error:.2g}')
        print(f'{case}: plain and tuned agree to {error:.1e}', file=sys.stderr)
        for threads in map(int, options.threads.split(',')):
            torch.set_num_threads(threads)
            for version in versions:
                try:
                    all_.append(Contender(case, version, threads))
                except Exception as reason:  # torch.compile needs a compiler
                    if version != 'compiled':
                        raise
                    print(f'{case}: not compiled: {str(reason)[:200]}',
                          file=sys.stderr)
    return all_


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
    parser.add_argument('--threads', default='1,2')
    parser.add_argument('--only', default='', help='part of the cases\' names')
    parser.add_argument('--versions', default='plain,tuned,compiled')
    parser.add_argument('--repeat', type=int, default=15)
    parser.add_argument('--serve', action='store_true',
                        help='be led through standard input')
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    contenders = enter(options)
    if options.serve:
        serve(contenders)
    else:
        for k in range(options.repeat):
            repeat(contenders, k)
    for c in contenders:
        print(json.dumps(c.row()), flush=True)
    sys.stdout.flush()
    os._exit(0)  # workers of torch.compile are not waited for


if __name__ == '__main__':
    main()
