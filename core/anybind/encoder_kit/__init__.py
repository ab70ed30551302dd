"""What writers of encoders share: options, devices, batches, checkpoints, pictures. Import its modules by name.

``options`` imports no torch, so that the module with the hooks may use it; the others are for the encoders.
"""
