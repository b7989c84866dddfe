"""The names of what an integer network may need of a target. Imports nothing, so that any module can name them."""

from __future__ import annotations

from enum import Enum


class Feature(str, Enum):
    """Something that a network needs and that a target may lack.

    `IntegerNetwork.features` says what a network needs. A target declares what it computes, and whatever is needed and
    not declared is refused by its value, which completes "the network has ...".

    Attributes:
        SOFT_RESET: a spike subtracts a fixed value from the potential.
        HARD_RESET: a spike sets the potential.
        HARD_RESET_TO_VALUE: it sets the potential to another value than 0.
        NO_RESET: a spike leaves the potential, which the neuron remembers, as it is.
        BIAS: a constant is a part of the input of every step.
        LEAK: the potential loses a fraction of itself, or all of it, in every step.
        CURRENT: the neuron has a synaptic current, a second state between its input and its potential.
        DRIFT: a constant is added to the potential at every step.
        REFRACTORY: the neuron does not integrate in the step after a spike.
        FRACTION_BITS: the states have bits below the unit of weights and thresholds.
        DECAY_BITS: decays are counted in another unit than 1/4096.
        PER_NEURON_THRESHOLDS: the neurons of one population have different thresholds.
        READOUT: a population never fires, and its potential after every step is read.
        GRADED_INPUT: the input is a signed integer per element and step, no spike.
        FRAMES: the input is another one at every step.
        SEVERAL_INPUTS: there is more than one input population.
        DELAY: a projection takes more steps than it must.
        RECURRENT: a projection leads back, to a population that does not come after its source.
        MAX: a neuron takes the largest of several currents.
    """

    SOFT_RESET = "resets by subtraction"
    HARD_RESET = "resets to a value"
    HARD_RESET_TO_VALUE = "resets to a value other than 0"
    NO_RESET = "neurons that fire without a reset"
    BIAS = "biases"
    LEAK = "leaks"
    CURRENT = "synaptic currents"
    DRIFT = "drifts"
    REFRACTORY = "refractory steps"
    FRACTION_BITS = "fraction bits"
    DECAY_BITS = "decays in other units than 1/4096"
    PER_NEURON_THRESHOLDS = "different thresholds within a population"
    READOUT = "readouts"
    GRADED_INPUT = "a graded input"
    FRAMES = "an input that changes from step to step"
    SEVERAL_INPUTS = "several inputs"
    DELAY = "delays"
    RECURRENT = "recurrent projections"
    MAX = "maxima of currents"

    __str__ = str.__str__
