// Which policies there are: the built-in ones and those of plugins.

import BuiltInPolicies
import PyramidPlugins
import PyramidPolicy

/// Finds policies by name.
public enum PolicyCatalogue {
  /// A registry of the built-in policies and those of the plugins at `paths` (Swift source files or built libraries).
  /// Throws `PluginError` or `PolicyError`. A program that loads plugins calls `PolicyTrapReporter.install()` before,
  /// if a trap inside one shall be reported by name.
  public static func registry(plugins paths: [String] = []) throws -> PolicyRegistry {
    var types = try BuiltInPolicies.all.map { try PolicyType($0, origin: PolicyType.builtIn) }
    for path in paths { types += try PluginLoader.load(path: path) }
    return try PolicyRegistry(types)
  }
}

/// Where the policies of a model come from: names and parameters as the user wrote them.
public typealias PolicyChoice = PolicyPair<PolicySpec>
