"""From a plan to a running process: zygote, shim, init and what they do."""
