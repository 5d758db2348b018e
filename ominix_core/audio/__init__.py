"""Reading audio: any file that this machine can decode becomes mono samples at the rate that a model wants."""
