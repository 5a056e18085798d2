// Which policies there are: the built-in ones and those of plugins. The only place that names the built-in targets.

import CLSAttentionPolicy
import EntropyPolicy
import FixedLayerPolicy
import KeepAllPolicy
import NeverExitPolicy
import PatiencePolicy
import PyramidPlugins
import PyramidPolicy
import RandomPrunePolicy
import ReceivedAttentionPolicy
import TopKPolicy

/// Finds policies by name.
public enum PolicyCatalogue {
  /// The policies that come with the project.
  public static let builtIn: [any Policy.Type] =
    EntropyPolicy.policies + PatiencePolicy.policies + FixedLayerPolicy.policies + NeverExitPolicy.policies
    + ReceivedAttentionPolicy.policies + TopKPolicy.policies + CLSAttentionPolicy.policies + KeepAllPolicy.policies
    + RandomPrunePolicy.policies

  /// A registry of the built-in policies and those of the plugins at `paths` (Swift source files or built libraries).
  /// Throws `PluginError` or `PolicyError`. Traps inside a plugin's policies end the process with a message from now
  /// on.
  public static func registry(plugins paths: [String] = []) throws -> PolicyRegistry {
    var types = try builtIn.map { try PolicyType($0) }
    for path in paths { types += try PluginLoader.load(path: path) }
    return try PolicyRegistry(types)
  }
}

/// Where the policies of a model come from: names and parameters as the user wrote them.
public typealias PolicyChoice = PolicyPair<PolicySpec>
