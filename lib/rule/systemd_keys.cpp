// Taken from the parser's table of systemd 252 (libsystemd-core, "Service.ExecStart"...) and, for [Install] and 253 to 257, from man
// systemd.directives. Sorted.
#include "rule/systemd_keys.hpp"

namespace rule {

using std::string_view_literals::operator""sv;

std::span<const std::string_view> systemd_keys() {
  static constexpr std::string_view keys[] = {
    "Accept"sv, "After"sv, "Alias"sv, "AllowIsolate"sv, "AllowedCPUs"sv, "AllowedMemoryNodes"sv, "Also"sv, "AmbientCapabilities"sv, "AppArmorProfile"sv,
    "AssertACPower"sv, "AssertArchitecture"sv, "AssertCPUFeature"sv, "AssertCPUPressure"sv, "AssertCPUs"sv, "AssertCapability"sv,
    "AssertControlGroupController"sv, "AssertCredential"sv, "AssertDirectoryNotEmpty"sv, "AssertEnvironment"sv, "AssertFileIsExecutable"sv,
    "AssertFileNotEmpty"sv, "AssertFirstBoot"sv, "AssertGroup"sv, "AssertHost"sv, "AssertIOPressure"sv, "AssertKernelCommandLine"sv, "AssertKernelVersion"sv,
    "AssertMemory"sv, "AssertMemoryPressure"sv, "AssertNeedsUpdate"sv, "AssertOSRelease"sv, "AssertPathExists"sv, "AssertPathExistsGlob"sv,
    "AssertPathIsDirectory"sv, "AssertPathIsEncrypted"sv, "AssertPathIsMountPoint"sv, "AssertPathIsReadWrite"sv, "AssertPathIsSymbolicLink"sv,
    "AssertSecurity"sv, "AssertUser"sv, "AssertVirtualization"sv, "BPFProgram"sv, "Backlog"sv, "Before"sv, "BindIPv6Only"sv, "BindPaths"sv,
    "BindReadOnlyPaths"sv, "BindTo"sv, "BindToDevice"sv, "BindsTo"sv, "BlockIOAccounting"sv, "BlockIODeviceWeight"sv, "BlockIOReadBandwidth"sv,
    "BlockIOWeight"sv, "BlockIOWriteBandwidth"sv, "Broadcast"sv, "BusName"sv, "BusPolicy"sv, "CPUAccounting"sv, "CPUAffinity"sv, "CPUQuota"sv,
    "CPUQuotaPeriodSec"sv, "CPUSchedulingPolicy"sv, "CPUSchedulingPriority"sv, "CPUSchedulingResetOnFork"sv, "CPUShares"sv, "CPUWeight"sv, "CacheDirectory"sv,
    "CacheDirectoryMode"sv, "Capabilities"sv, "CapabilityBoundingSet"sv, "CollectMode"sv, "ConditionACPower"sv, "ConditionArchitecture"sv,
    "ConditionCPUFeature"sv, "ConditionCPUPressure"sv, "ConditionCPUs"sv, "ConditionCapability"sv, "ConditionControlGroupController"sv,
    "ConditionCredential"sv, "ConditionDirectoryNotEmpty"sv, "ConditionEnvironment"sv, "ConditionFileIsExecutable"sv, "ConditionFileNotEmpty"sv,
    "ConditionFirmware"sv, "ConditionFirstBoot"sv, "ConditionGroup"sv, "ConditionHost"sv, "ConditionIOPressure"sv, "ConditionKernelCommandLine"sv,
    "ConditionKernelVersion"sv, "ConditionMemory"sv, "ConditionMemoryPressure"sv, "ConditionNeedsUpdate"sv, "ConditionOSRelease"sv, "ConditionPathExists"sv,
    "ConditionPathExistsGlob"sv, "ConditionPathIsDirectory"sv, "ConditionPathIsEncrypted"sv, "ConditionPathIsMountPoint"sv, "ConditionPathIsReadWrite"sv,
    "ConditionPathIsSymbolicLink"sv, "ConditionSecurity"sv, "ConditionUser"sv, "ConditionVirtualization"sv, "ConfigurationDirectory"sv,
    "ConfigurationDirectoryMode"sv, "Conflicts"sv, "CoredumpFilter"sv, "DefaultDependencies"sv, "DefaultInstance"sv, "DefaultMemoryLow"sv,
    "DefaultMemoryMin"sv, "DeferAcceptSec"sv, "Delegate"sv, "Description"sv, "DeviceAllow"sv, "DevicePolicy"sv, "DirectoryMode"sv, "DisableControllers"sv,
    "Documentation"sv, "DynamicUser"sv, "Environment"sv, "EnvironmentFile"sv, "ExecCondition"sv, "ExecPaths"sv, "ExecReload"sv, "ExecSearchPath"sv,
    "ExecStart"sv, "ExecStartPost"sv, "ExecStartPre"sv, "ExecStop"sv, "ExecStopPost"sv, "ExecStopPre"sv, "ExitType"sv, "ExtensionDirectories"sv,
    "ExtensionImages"sv, "FailureAction"sv, "FailureActionExitStatus"sv, "FileDescriptorName"sv, "FileDescriptorStoreMax"sv, "FinalKillSignal"sv,
    "FlushPending"sv, "FreeBind"sv, "Group"sv, "GuessMainPID"sv, "IOAccounting"sv, "IODeviceLatencyTargetSec"sv, "IODeviceWeight"sv, "IOReadBandwidthMax"sv,
    "IOReadIOPSMax"sv, "IOSchedulingClass"sv, "IOSchedulingPriority"sv, "IOWeight"sv, "IOWriteBandwidthMax"sv, "IOWriteIOPSMax"sv, "IPAccounting"sv,
    "IPAddressAllow"sv, "IPAddressDeny"sv, "IPCNamespacePath"sv, "IPEgressFilterPath"sv, "IPIngressFilterPath"sv, "IPTOS"sv, "IPTTL"sv, "IgnoreOnIsolate"sv,
    "IgnoreOnSnapshot"sv, "IgnoreSIGPIPE"sv, "ImportCredential"sv, "InaccessibleDirectories"sv, "InaccessiblePaths"sv, "JobRunningTimeoutSec"sv,
    "JobTimeoutAction"sv, "JobTimeoutRebootArgument"sv, "JobTimeoutSec"sv, "JoinsNamespaceOf"sv, "KeepAlive"sv, "KeepAliveIntervalSec"sv, "KeepAliveProbes"sv,
    "KeepAliveTimeSec"sv, "KeyringMode"sv, "KillMode"sv, "KillSignal"sv, "LimitAS"sv, "LimitCORE"sv, "LimitCPU"sv, "LimitDATA"sv, "LimitFSIZE"sv,
    "LimitLOCKS"sv, "LimitMEMLOCK"sv, "LimitMSGQUEUE"sv, "LimitNICE"sv, "LimitNOFILE"sv, "LimitNPROC"sv, "LimitRSS"sv, "LimitRTPRIO"sv, "LimitRTTIME"sv,
    "LimitSIGPENDING"sv, "LimitSTACK"sv, "ListenDatagram"sv, "ListenFIFO"sv, "ListenMessageQueue"sv, "ListenNetlink"sv, "ListenSequentialPacket"sv,
    "ListenSpecial"sv, "ListenStream"sv, "ListenUSBFunction"sv, "LoadCredential"sv, "LoadCredentialEncrypted"sv, "LockPersonality"sv, "LogExtraFields"sv,
    "LogLevelMax"sv, "LogNamespace"sv, "LogRateLimitBurst"sv, "LogRateLimitIntervalSec"sv, "LogsDirectory"sv, "LogsDirectoryMode"sv,
    "ManagedOOMMemoryPressure"sv, "ManagedOOMMemoryPressureLimit"sv, "ManagedOOMPreference"sv, "ManagedOOMSwap"sv, "Mark"sv, "MaxConnections"sv,
    "MaxConnectionsPerSource"sv, "MemoryAccounting"sv, "MemoryDenyWriteExecute"sv, "MemoryHigh"sv, "MemoryKSM"sv, "MemoryLimit"sv, "MemoryLow"sv,
    "MemoryMax"sv, "MemoryMin"sv, "MemorySwapMax"sv, "MessageQueueMaxMessages"sv, "MessageQueueMessageSize"sv, "MountAPIVFS"sv, "MountFlags"sv,
    "MountImages"sv, "NUMAMask"sv, "NUMAPolicy"sv, "NetClass"sv, "NetworkNamespacePath"sv, "Nice"sv, "NoDelay"sv, "NoExecPaths"sv, "NoNewPrivileges"sv,
    "NonBlocking"sv, "NotifyAccess"sv, "OOMPolicy"sv, "OOMScoreAdjust"sv, "OnFailure"sv, "OnFailureIsolate"sv, "OnFailureJobMode"sv, "OnSuccess"sv,
    "OnSuccessJobMode"sv, "OpenFile"sv, "PAMName"sv, "PIDFile"sv, "PartOf"sv, "PassCredentials"sv, "PassEnvironment"sv, "PassFileDescriptorsToExec"sv,
    "PassPacketInfo"sv, "PassSecurity"sv, "PermissionsStartOnly"sv, "Personality"sv, "PipeSize"sv, "PollLimitBurst"sv, "PollLimitIntervalSec"sv, "Priority"sv,
    "PrivateDevices"sv, "PrivateIPC"sv, "PrivateMounts"sv, "PrivateNetwork"sv, "PrivatePIDs"sv, "PrivateTmp"sv, "PrivateUsers"sv, "ProcSubset"sv,
    "PropagateReloadFrom"sv, "PropagateReloadTo"sv, "PropagatesReloadTo"sv, "PropagatesStopTo"sv, "ProtectClock"sv, "ProtectControlGroups"sv, "ProtectHome"sv,
    "ProtectHostname"sv, "ProtectKernelLogs"sv, "ProtectKernelModules"sv, "ProtectKernelTunables"sv, "ProtectProc"sv, "ProtectSystem"sv,
    "ReadOnlyDirectories"sv, "ReadOnlyPaths"sv, "ReadWriteDirectories"sv, "ReadWritePaths"sv, "RebootArgument"sv, "ReceiveBuffer"sv, "RefuseManualStart"sv,
    "RefuseManualStop"sv, "ReloadPropagatedFrom"sv, "RemainAfterExit"sv, "RemoveIPC"sv, "RemoveOnStop"sv, "RequiredBy"sv, "Requires"sv, "RequiresMountsFor"sv,
    "RequiresOverridable"sv, "Requisite"sv, "RequisiteOverridable"sv, "Restart"sv, "RestartForceExitStatus"sv, "RestartKillSignal"sv, "RestartMaxDelaySec"sv,
    "RestartMode"sv, "RestartPreventExitStatus"sv, "RestartSec"sv, "RestartSteps"sv, "RestrictAddressFamilies"sv, "RestrictFileSystems"sv,
    "RestrictNamespaces"sv, "RestrictNetworkInterfaces"sv, "RestrictRealtime"sv, "RestrictSUIDSGID"sv, "ReusePort"sv, "RootDirectory"sv,
    "RootDirectoryStartOnly"sv, "RootEphemeral"sv, "RootHash"sv, "RootHashSignature"sv, "RootImage"sv, "RootImageOptions"sv, "RootVerity"sv,
    "RuntimeDirectory"sv, "RuntimeDirectoryMode"sv, "RuntimeDirectoryPreserve"sv, "RuntimeMaxSec"sv, "RuntimeRandomizedExtraSec"sv, "SELinuxContext"sv,
    "SELinuxContextFromNet"sv, "SecureBits"sv, "SendBuffer"sv, "SendSIGHUP"sv, "SendSIGKILL"sv, "Service"sv, "SetCredential"sv, "SetCredentialEncrypted"sv,
    "SetLoginEnvironment"sv, "Slice"sv, "SmackLabel"sv, "SmackLabelIPIn"sv, "SmackLabelIPOut"sv, "SmackProcessLabel"sv, "SocketBindAllow"sv,
    "SocketBindDeny"sv, "SocketGroup"sv, "SocketMode"sv, "SocketProtocol"sv, "SocketUser"sv, "Sockets"sv, "SourcePath"sv, "StandardError"sv, "StandardInput"sv,
    "StandardInputData"sv, "StandardInputText"sv, "StandardOutput"sv, "StartLimitAction"sv, "StartLimitBurst"sv, "StartLimitInterval"sv,
    "StartLimitIntervalSec"sv, "StartupAllowedCPUs"sv, "StartupAllowedMemoryNodes"sv, "StartupBlockIOWeight"sv, "StartupCPUShares"sv, "StartupCPUWeight"sv,
    "StartupIOWeight"sv, "StartupMemoryMax"sv, "StateDirectory"sv, "StateDirectoryMode"sv, "StopPropagatedFrom"sv, "StopWhenUnneeded"sv, "SuccessAction"sv,
    "SuccessActionExitStatus"sv, "SuccessExitStatus"sv, "SupplementaryGroups"sv, "SurviveFinalKillSignal"sv, "Symlinks"sv, "SysVStartPriority"sv,
    "SyslogFacility"sv, "SyslogIdentifier"sv, "SyslogLevel"sv, "SyslogLevelPrefix"sv, "SystemCallArchitectures"sv, "SystemCallErrorNumber"sv,
    "SystemCallFilter"sv, "SystemCallLog"sv, "TCPCongestion"sv, "TTYColumns"sv, "TTYPath"sv, "TTYReset"sv, "TTYRows"sv, "TTYVHangup"sv, "TTYVTDisallocate"sv,
    "TasksAccounting"sv, "TasksMax"sv, "TemporaryFileSystem"sv, "TimeoutAbortSec"sv, "TimeoutCleanSec"sv, "TimeoutSec"sv, "TimeoutStartFailureMode"sv,
    "TimeoutStartSec"sv, "TimeoutStopFailureMode"sv, "TimeoutStopSec"sv, "TimerSlackNSec"sv, "Timestamping"sv, "Transparent"sv, "TriggerLimitBurst"sv,
    "TriggerLimitIntervalSec"sv, "Type"sv, "UMask"sv, "USBFunctionDescriptors"sv, "USBFunctionStrings"sv, "UnsetEnvironment"sv, "UpheldBy"sv, "Upholds"sv,
    "User"sv, "UtmpIdentifier"sv, "UtmpMode"sv, "WantedBy"sv, "Wants"sv, "WatchdogSec"sv, "WatchdogSignal"sv, "WorkingDirectory"sv, "Writable"sv
  };
  return keys;
}

}  // namespace rule
