"""snnTorch's RSynaptic and RLeaky: an image row by row, [steps, batch, 28], recurrent in both layers."""

import snntorch as snn
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(28, 100)
        self.lif1 = snn.RSynaptic(alpha=0.9, beta=0.8, linear_features=100)
        self.fc2 = nn.Linear(100, 10)
        self.lif2 = snn.RLeaky(beta=0.9, linear_features=10)

    def forward(self, x):
        spk1, syn1, mem1 = self.lif1.init_rsynaptic()
        spk2, mem2 = self.lif2.init_rleaky()
        spk2_rec, mem2_rec = [], []
        for step in range(x.size(0)):
            spk1, syn1, mem1 = self.lif1(self.fc1(x[step]), spk1, syn1, mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), spk2, mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)
