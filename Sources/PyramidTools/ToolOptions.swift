// Options that several tools take, and what the library's types need to be options: the tools differ in what they do,
// not in what `--threads` means.

import ArgumentParser
import MagicPyramid

/// `--threads`.
public struct ThreadOptions: ParsableArguments {
  /// Size of the OpenMP team as given; nil for the default.
  @Option(help: "Threads; by default OMP_NUM_THREADS, else the CPUs that the process may use.")
  public var threads: Int?

  /// As the parser makes it.
  public init() {}

  /// Throws for a count that is out of range.
  public func validate() throws {
    if let threads, !(1...ThreadCount.limit).contains(threads) {
      throw ValidationError("--threads must be 1 to \(ThreadCount.limit)")
    }
  }
}

/// `--plugin`.
public struct PluginOptions: ParsableArguments {
  /// Paths of plugins.
  @Option(help: "Policy plugin: a Swift source file or a built library; repeatable.", completion: .file())
  public var plugin: [String] = []

  /// As the parser makes it.
  public init() {}

  /// The built-in policies and those of the plugins. From now on a trap inside a plugin's policy ends the tool with a
  /// line that names it. Throws `PluginError` or `PolicyError`.
  public func registry() throws -> PolicyRegistry {
    if !plugin.isEmpty { PolicyTrapReporter.install() }
    return try PolicyCatalogue.registry(plugins: plugin)
  }
}

/// The texts of `--version`.
public enum ToolVersion {
  /// `mp-run 0.3.0 (policy SDK 0.4)`.
  public static func text(of tool: String) -> String {
    "\(tool) \(magicPyramidVersion) (policy SDK \(PolicySDK.version))"
  }
}

extension AnswerFormat: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension TextFormat: ExpressibleByArgument {}
