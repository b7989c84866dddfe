"""snnTorch's tutorial 6: convolutions, max pooling of currents, hidden states; called once for each step."""

import snntorch as snn
from snntorch import surrogate
from torch import nn

beta = 0.5
spike_grad = surrogate.fast_sigmoid(slope=25)

net = nn.Sequential(
    nn.Conv2d(1, 12, 5),
    nn.MaxPool2d(2),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
    nn.Conv2d(12, 64, 5),
    nn.MaxPool2d(2),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
    nn.Flatten(),
    nn.Linear(64 * 4 * 4, 10),
    snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True, output=True),
)
