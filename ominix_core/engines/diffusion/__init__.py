"""What the image engine is made of: the families of models, how their parts are read, and how pictures are written."""
