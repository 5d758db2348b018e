"""Downloads: the queue, the segment engine, verification, and the sources that models come from."""
