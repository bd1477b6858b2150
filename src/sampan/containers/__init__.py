"""What a container is and what can be done with it: one file per verb."""
