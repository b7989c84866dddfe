"""Norse's ConvNet4: LIF cells with synaptic currents, max pooling of spikes, a leaky integrator as readout."""

from norse.torch.models.conv import ConvNet4


def net():
    return ConvNet4(num_channels=1, feature_size=28)
