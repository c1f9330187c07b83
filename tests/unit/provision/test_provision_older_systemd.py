"""Ubuntu 22.04 has systemd 249, which ignores directives that it does not know: a sandbox would silently be less.

NEWER is what the manual pages of systemd 257 say was added in version 250 or later, for units like ours.
"""

from __future__ import annotations

import re

from alvps.provision.resources import resource

NEWER = {
    *("BindLogSockets", "ConditionCPUPressure", "ConditionCredential", "ConditionIOPressure"),
    *("ConditionMemoryPressure", "ConditionSecurity", "CoredumpReceive", "DelegateSubgroup", "ExecSearchPath"),
    *("ExitType", "ExtensionDirectories", "ExtensionImagePolicy", "FileDescriptorStorePreserve", "ImportCredential"),
    *("LogFilterPatterns", "ManagedOOMMemoryPressureDurationSec", "MemoryKSM", "MemoryPressureThresholdSec"),
    *("MemoryPressureWatch", "MemoryZSwapMax", "MemoryZSwapWriteback", "MountImagePolicy", "NFTSet", "OpenFile"),
    *("PassFileDescriptorsToExec", "PollLimitBurst", "PollLimitIntervalSec", "PrivatePIDs", "ReloadSignal"),
    *("RestartMaxDelaySec", "RestartMode", "RestartSteps", "RestrictFileSystems", "RestrictNetworkInterfaces"),
    *("RootEphemeral", "RootImagePolicy", "RuntimeRandomizedExtraSec", "SetLoginEnvironment"),
    *("StartupMemoryZSwapMax", "SurviveFinalKillSignal", "TTYColumns", "TTYRows", "WantsMountsFor"),
}  # fmt: skip
TYPES = {"notify-reload"}  # Type= of 253


def test_every_directive_is_known_to_the_oldest_systemd_that_hosts_have() -> None:
    units = [*resource("systemd").iterdir(), *resource("cloud-init", "bootstrap").iterdir()]
    found = {
        (path.name, line)
        for path in units
        for line in path.read_text().splitlines()
        if (match := re.match(r"([A-Z][A-Za-z]+)=(.*)", line))
        and (match[1] in NEWER or (match[1] == "Type" and match[2] in TYPES))
    }
    assert len(units) > 5
    assert not found
