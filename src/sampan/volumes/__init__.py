"""Named volumes: directories that outlive containers and are shared between them.

`volume` is one at rest, `options` what the local driver's options mean, `rows` where they are kept, `store` the verbs.
Nothing is mounted here: a volume is a directory, or a `Mount` for the runtime to make.
"""
