"""Runs Lava's own LIF model, step by step, on the cases of an .npz: python lif_peer.py IN OUT (its own interpreter)."""

from __future__ import annotations

import sys

import numpy as np


def main() -> None:
    from inflor.targets.loihi.simulate import patches

    patches.apply()
    from lava.proc.lif.models import PyLifModelBitAcc

    cases = np.load(sys.argv[1])
    out = {}
    for number in range(int(cases["count"])):
        case = {name: cases[f"{name}{number}"] for name in ("du", "dv", "vth", "bias_mant", "bias_exp", "a")}
        model = PyLifModelBitAcc({})
        size = case["a"].shape[1]
        model.u, model.v = np.zeros(size, np.int32), np.zeros(size, np.int32)
        model.du, model.dv = case["du"], case["dv"]
        model.vth = case["vth"].astype(np.int32)
        model.bias_mant, model.bias_exp = case["bias_mant"].astype(np.int16), case["bias_exp"].astype(np.int16)
        us, vs, spikes = [], [], []
        model.scale_threshold()
        for a in case["a"].astype(np.int32):
            model.scale_bias()
            model.subthr_dynamics(activation_in=a)
            s = model.spiking_activation()
            model.reset_voltage(spike_vector=s)
            us.append(model.u.copy())
            vs.append(model.v.copy())
            spikes.append(s)
        out |= {f"u{number}": np.array(us), f"v{number}": np.array(vs), f"s{number}": np.array(spikes)}
    np.savez(sys.argv[2], **out)


if __name__ == "__main__":
    main()
