"""From a world to the images of eight cameras, with OpenGL."""
