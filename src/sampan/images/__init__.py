"""Names, and the images they mean. In reading order:

image          what an image is, once it is here
rows           its rows in the database
store          finding images, and what keeps content alive
importing      a tar becomes an image; changes, words: the instructions of `--change`
archive        an archive is taken in while it streams; docker_archive, oci_layout: what it says; load: the story
save           images become an archive
tag · remove · prune · history · listing · inspect    one verb each; moment: times with nine digits
from_host      the first image of a host that has none; libraries, elf: what its programs need
images         all the verbs, for the API
"""
