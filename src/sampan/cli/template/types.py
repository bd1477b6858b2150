"""What would Go's types say about JSON that we see without them?

Go prints an absent list as `[]` and an absent map as `map[]`; asks a map for a key it lacks and gets no value, but
refuses a field that a struct lacks; and knows fields that the engine left out because they were empty. By field name:
"""

from __future__ import annotations

_LISTS = """
Aliases Args Binds BlkioWeightDevice CapAdd CapDrop Cmd DNSNames DeviceCgroupRules DeviceRequests Devices Dns DnsOptions
DnsSearch Entrypoint Env ExecIDs ExtraHosts GroupAdd Layers Links MaskedPaths Mounts OnBuild ReadonlyPaths RepoDigests
RepoTags SecondaryIPAddresses SecondaryIPv6Addresses SecurityOpt Shell Ulimits VolumesFrom
"""
_MAPS = """
Annotations Config Containers Data DriverOpts ExposedPorts Labels Networks Options PortBindings Ports StorageOpt Sysctls
Tmpfs Volumes
"""
_OFTEN_LEFT_OUT = """
Annotations ExposedPorts GraphDriver Health Healthcheck ImageManifestDescriptor Init KernelMemory MacAddress
NetworkDisabled Platform Runtime SizeRootFs SizeRw StopSignal StopTimeout StorageOpt Sysctls Tmpfs
"""
LISTS = frozenset(_LISTS.split())
MAPS = frozenset(_MAPS.split())
OPTIONAL = LISTS | frozenset(_OFTEN_LEFT_OUT.split())
