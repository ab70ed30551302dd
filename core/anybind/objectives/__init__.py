"""Training losses, one file per loss: plain functions of tensors, aware of missing rows, without state.

``scale`` is one over the temperature, a number or a () tensor. Rows are (n, r), of unit length where a loss
speaks of cosines. Rows that a mask or a table of presence leaves out neither count nor get a gradient, and
a loss that is left with fewer than two rows is 0.
"""
