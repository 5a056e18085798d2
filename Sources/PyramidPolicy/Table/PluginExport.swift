// What a plugin exports: two C symbols. The version symbol is part of this module, so each library that contains the
// SDK has it; the host compares it before it calls anything else. The entry is one line in the plugin:
//
//   @_cdecl("magic_pyramid_plugin") public func entry() -> UnsafeRawPointer { exportPlugin(policies) }
//
// The tools write that line themselves when they are given a `.swift` file.

/// The versions that a plugin and its host must share.
public enum PolicySDK {
  /// Version of the protocols, signals and table of this module.
  public static let version = "0.6"

  /// Version of the compiler that built this copy of the module; Swift promises no stable ABI on Linux.
  public static var compilerVersion: String {
    #if compiler(>=6.6)
      "6.6 or later"
    #elseif compiler(>=6.5)
      "6.5"
    #elseif compiler(>=6.4)
      "6.4"
    #else
      "6.3"
    #endif
  }

  /// Both, as `magic_pyramid_plugin_version` returns them.
  public static var versionText: String { "\(version) \(compilerVersion)" }

  /// Kept for the life of the process because C callers hold the pointer.
  nonisolated(unsafe) fileprivate static let versionCString = immortalCString(versionText)
}

/// The C symbol that every plugin carries: "<SDK version> <compiler version>".
@_cdecl("magic_pyramid_plugin_version")
public func pluginVersion() -> UnsafePointer<CChar> {
  UnsafeRawPointer(PolicySDK.versionCString).assumingMemoryBound(to: CChar.self)
}

/// The table of a plugin's policies, which its entry `magic_pyramid_plugin` returns. It lives as long as the process.
public func exportPlugin(_ policies: [any Policy.Type]) -> UnsafeRawPointer {
  let tables = UnsafeMutablePointer<PolicyTable>.allocate(capacity: policies.count)
  for (index, policy) in policies.enumerated() {
    (tables + index).initialize(to: PolicyTable(policy.conformance))
  }
  let plugin = UnsafeMutablePointer<PluginTable>.allocate(capacity: 1)
  plugin.initialize(to: PluginTable(size: MemoryLayout<PluginTable>.size, count: policies.count, tables: tables))
  return UnsafeRawPointer(plugin)
}

/// A copy of a text as UTF-8 that ends with a NUL; it lives as long as the process.
func immortalCString(_ text: String) -> UnsafePointer<UInt8> {
  let bytes = Array(text.utf8) + [0]
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
  copy.initialize(from: bytes, count: bytes.count)
  return UnsafePointer(copy)
}
