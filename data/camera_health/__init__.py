"""Find faulty cameras in frame sets, name the faults, and mask the cameras that cannot be used."""
