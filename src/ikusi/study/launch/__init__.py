"""A step in several processes: started here, by torchrun, or as a job of a SLURM cluster."""
