"""SpikingJelly's own spiking VGG-11 with batch norm, multi-step, with a classifier that fits 32 x 32 images."""

from spikingjelly.activation_based import functional, layer, neuron, surrogate
from spikingjelly.activation_based.model import spiking_vgg


def net():
    made = spiking_vgg.spiking_vgg11_bn(
        num_classes=10, spiking_neuron=neuron.IFNode, surrogate_function=surrogate.ATan(), detach_reset=True
    )
    made.avgpool = layer.AdaptiveAvgPool2d((1, 1))
    made.classifier = layer.Linear(512, 10)
    functional.set_step_mode(made, "m")
    return made
