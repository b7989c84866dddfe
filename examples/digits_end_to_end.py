"""The whole path from Python: train on digits, export to NIR, fix to 8 bits and to 4, run, look at single spikes.

python examples/digits_end_to_end.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import inflor

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example")

# A short training of a small network; every field of inflor.converter.train.config.TrainConfig can be given.
trained = inflor.train("digits", "convnet", out=folder, channels=8, epochs=12, timesteps=4, seed=0)
print(f"trained: {trained.metrics['parameters']} parameters, test accuracy {trained.metrics['test_accuracy']:.4f}")

converted = inflor.convert(trained.model_path, folder / "model.nir")
for note in converted.notes:
    print("note:", note)

before = inflor.run(converted.graph, dataset="digits")
print(f"float:   accuracy {before.accuracy:.4f}, {sum(int(c.sum()) for c in before.counts.values())} spikes")

for bits in (8, 4):
    out = folder / f"model{bits}.int.nir"
    quantized = inflor.quantize(converted.graph, bits=bits, calibrate="digits", out=out)
    record = inflor.run(quantized.network, dataset="digits", spikes=True)
    print(f"{bits} bits:  accuracy {record.accuracy:.4f}, {sum(int(c.sum()) for c in record.counts.values())} spikes")
    for layer in quantized.report.layers:
        snr = "exact" if layer.weight_snr_db is None else f"{layer.weight_snr_db:.1f} dB"
        print(f"         {layer.population:<8} weights {snr}, state fits {layer.state_bits} bits")

# Spikes are arrays [samples, timesteps, *shape of the population], here those of the last network run (4 bits).
name = record.populations[0].name
spikes = record.spikes(name)
print(f"{name}: spikes {spikes.shape}, of the first image at each step: {spikes[0].sum(axis=(1, 2, 3)).tolist()}")
print(inflor.info(out).facts["written_by"])
