"""What can a step do to the files of a stage? A file for each: `run`, `transfer` (COPY and ADD), `workdir`."""
