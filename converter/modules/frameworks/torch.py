"""torch's own layers: their functions are followed; here is what has no form, by class, with what to write instead."""

from __future__ import annotations

from inflor.converter.modules.forms import Framework

_RECURRENT = "it is a recurrent layer without spikes; use a recurrent neuron of a spiking framework"
_ACTIVATION = "it is no spiking neuron; put one of a spiking framework in its place"
_NORM = "it normalizes by the sample at hand, which no target computes; train with BatchNorm"
_THREE = "three dimensions have no form in NIR; fold one of them into the channels"
_TRANSPOSED = "a transposed convolution has no form yet; use a plain one"
_ATTENTION = "it multiplies activities, which no target computes"

FRAMEWORK = Framework(
    refused={
        **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), _RECURRENT),
        **dict.fromkeys(
            ("ReLU", "ReLU6", "LeakyReLU", "PReLU", "GELU", "ELU", "SiLU", "Tanh", "Sigmoid", "Hardtanh", "Softplus"),
            _ACTIVATION,
        ),
        **dict.fromkeys(("LayerNorm", "GroupNorm", "LocalResponseNorm", "RMSNorm"), _NORM),
        **dict.fromkeys(("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"), _NORM),
        **dict.fromkeys(("Conv3d", "MaxPool3d", "AvgPool3d", "BatchNorm3d"), _THREE),
        **dict.fromkeys(("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), _TRANSPOSED),
        **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), "upsampling has no form yet"),
        **dict.fromkeys(("MultiheadAttention", "Transformer", "TransformerEncoderLayer", "Bilinear"), _ATTENTION),
        **dict.fromkeys(("Softmax", "LogSoftmax"), "leave it out at the end: the prediction is the same"),
        "Embedding": "it looks rows up by the input; no target does that",
    }
)
