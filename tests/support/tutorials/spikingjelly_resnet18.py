"""SpikingJelly's own spiking ResNet-18, multi-step, for 32 x 32 images."""

from spikingjelly.activation_based import functional, neuron, surrogate
from spikingjelly.activation_based.model import spiking_resnet


def net():
    made = spiking_resnet.spiking_resnet18(
        num_classes=10, spiking_neuron=neuron.IFNode, surrogate_function=surrogate.ATan(), detach_reset=True
    )
    functional.set_step_mode(made, "m")
    return made
