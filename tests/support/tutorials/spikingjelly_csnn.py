"""SpikingJelly's CSNN for Fashion-MNIST: convolutions with batch norm, IF neurons, max pooling of spikes."""

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn

T = 4
channels = 32


class CSNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_fc = nn.Sequential(
            layer.Conv2d(1, channels, kernel_size=3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            neuron.IFNode(surrogate_function=surrogate.ATan()),
            layer.MaxPool2d(2, 2),
            layer.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            neuron.IFNode(surrogate_function=surrogate.ATan()),
            layer.MaxPool2d(2, 2),
            layer.Flatten(),
            layer.Linear(channels * 7 * 7, channels * 4 * 4, bias=False),
            neuron.IFNode(surrogate_function=surrogate.ATan()),
            layer.Linear(channels * 4 * 4, 10, bias=False),
            neuron.IFNode(surrogate_function=surrogate.ATan()),
        )
        functional.set_step_mode(self, step_mode="m")

    def forward(self, x: torch.Tensor):
        x_seq = x.unsqueeze(0).repeat(T, 1, 1, 1, 1)
        x_seq = self.conv_fc(x_seq)
        return x_seq.mean(0)


class SingleStep(CSNN):
    """The same, called once for each step."""

    def __init__(self):
        super().__init__()
        functional.set_step_mode(self, step_mode="s")

    def forward(self, x: torch.Tensor):
        return self.conv_fc(x)
