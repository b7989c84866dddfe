"""snnTorch's tutorial 7: the network of tutorial 6 on frames of N-MNIST, [2, 34, 34] at each step."""

import snntorch as snn
from snntorch import surrogate
from torch import nn

spike_grad = surrogate.atan()
beta = 0.5

net = nn.Sequential(
    nn.Conv2d(2, 12, 5),
    nn.MaxPool2d(2),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
    nn.Conv2d(12, 32, 5),
    nn.MaxPool2d(2),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
    nn.Flatten(),
    nn.Linear(32 * 5 * 5, 10),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True, output=True),
)
