"""From images to candidate spectra: conditioning, sampling, ranking, decoding, and the predictor."""
