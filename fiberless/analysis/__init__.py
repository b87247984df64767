"""Measurements on spectra: arrays in, `Measurement`s out. No I/O beyond packaged tables, never torch."""
