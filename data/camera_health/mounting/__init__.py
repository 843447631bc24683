"""Find cameras that are swapped or turned, or whose clocks differ, from the motion of their pictures with the car."""
