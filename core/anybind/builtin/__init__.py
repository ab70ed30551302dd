"""What comes with the core: modalities, file-based data sets and toy encoders, as a plugin."""
