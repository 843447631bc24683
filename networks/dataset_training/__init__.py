"""Train on data sets of recorded drives and on simulated episodes together, in bounded memory."""
