"""A denoising autoencoder: trained on noisy digits, compared with the clean ones.

Its codes must keep what noise leaves of a digit, so that what it decodes is nearer to the clean
digit than the noisy one was (Vincent et al., Extracting and composing robust features with
denoising autoencoders, 2008). Prints both errors and draws `results/denoising.png`.
"""

from pathlib import Path

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.plots import plot_reconstructions

digits = load_stroke_digits(n_train=5000, n_test=1000)
clean = digits.train_images.reshape(-1, 784) / 255
clean_test = digits.test_images.reshape(-1, 784) / 255

rng = np.random.default_rng(0)
noisy, noisy_test = (
    np.clip(images + rng.normal(scale=0.3, size=images.shape), 0, 1)
    for images in (clean, clean_test)
)

ae = Autoencoder(hidden_layer_sizes=56, learning_rate=0.05, epochs=8, random_state=0)
ae.fit(noisy, target=clean, validation_data=(noisy_test, clean_test))
denoised = ae.predict(noisy_test)
before, after = (float(np.mean((x - clean_test) ** 2)) for x in (noisy_test, denoised))
print(f"mean squared error of the noisy digits {before:.4f}, of the denoised ones {after:.4f}")
assert after < before / 2

ax = plot_reconstructions(clean_test[:8], {"noisy": noisy_test[:8], "denoised": denoised[:8]})
Path("results").mkdir(exist_ok=True)
ax.figure.savefig("results/denoising.png", dpi=100)
print("results/denoising.png")
