// A temporary folder outside the repository where a test writes plugins, with a build cache of its own inside. The
// environment is one per process, so all tests share the folder and run one after the other.

import Glibc
import PyramidPlugins
import PyramidPolicy
import Testing

enum PluginWorkshop {
  /// The folder, made on first use; XDG_CACHE_HOME points into it from then on. An exit test's process finds it in the
  /// environment, so that it need not compile the SDK again.
  static let folder: String = {
    if let inherited = getenv("MAGIC_PYRAMID_WORKSHOP") { return String(cString: inherited) }
    var template = Array("/tmp/magic-pyramid-tests-XXXXXX".utf8CString)
    let folder = String(cString: mkdtemp(&template))
    setenv("XDG_CACHE_HOME", "\(folder)/cache", 1)
    setenv("MAGIC_PYRAMID_WORKSHOP", folder, 1)
    atexit { PluginWorkshop.remove(PluginWorkshop.folder) }
    return folder
  }()

  /// The cache that the loader uses.
  static var cache: String { "\(folder)/cache/magic-pyramid" }

  /// Writes a file into the folder and returns its path.
  @discardableResult
  static func write(_ name: String, _ text: String) throws -> String {
    let path = "\(folder)/\(name)"
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
    return path
  }

  /// The text of a file of this package.
  static func read(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = fgetc(file), byte >= 0 { bytes.append(UInt8(byte)) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Runs a shell command and returns its exit status, which is another than 0 for one that hangs.
  static func shell(_ command: String) -> Int32 {
    let words = ["timeout", "-k", "10", "300", "/bin/sh", "-c", command]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child = pid_t()
    guard posix_spawnp(&child, "timeout", nil, nil, &arguments, environ) == 0 else { return -1 }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    return status
  }

  /// Names in a folder.
  static func names(in path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { names.append(String(cString: $0)) }
      }
    }
    return names.filter { $0 != "." && $0 != ".." }
  }

  private static func remove(_ path: String) {
    for name in names(in: path) where unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
    rmdir(path)
  }

  /// What a plugin may end with.
  static let list = "public let policies: [any Policy.Type] = [Margin.self]"

  /// The type `Margin`, an exit policy, with a list of policies after it.
  static func margin(named name: String = "margin", extra: String = "", list: String = list) -> String {
    """
    import PyramidPolicy

    struct Margin: ExitPolicy {
      static let name = "\(name)"
      static let parameters: [PolicyParameter] = [
        .number("threshold", default: 0.9, in: 0...1, help: "exit when the lead in probability is larger")
      ]
      let reads: Set<ExitSignal> = [.probabilities]
      let threshold: Float

      init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }

      func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
        \(extra)
        var (best, second): (Float, Float) = (0, 0)
        let probabilities = head.probabilities
        for index in probabilities.indices {
          if probabilities[index] > best { (best, second) = (probabilities[index], best) }
          else { second = max(second, probabilities[index]) }
        }
        return best - second > threshold
      }
    }

    \(list)
    """
  }
}

/// Asks an exit policy about heads with these probabilities, of which the logits are the logarithms' stand-ins.
func answers(of instance: PolicyInstance, heads: [[Float]]) -> [Bool] {
  instance.withMemory { memory in
    heads.enumerated().map { index, head in
      let view = ExitView(
        layer: index + 1, layers: instance.model.layers, logits: head, probabilities: head,
        hidden: head.map { 3 * $0 - 1 }, earlierHidden: head.reversed(), tokenIDs: [1, 5, 99, 1234], tokensAlive: 6,
        earlierProbabilities: Array(heads[..<index]), groupLogits: [0.1, 0.4, 0.5, 0.9])
      return instance.shouldExit(view, memory: memory)
    }
  }
}

/// Asks a pruning policy for its scores of `count` tokens with made-up signals.
func scores(of instance: PolicyInstance, count: Int, layer: Int) -> [Float] {
  let attention = (0..<count).map { Float(($0 * 37) % 11) / 5 }
  let positions = Array(0..<Int32(count))
  let tokens = positions.map { $0 * 101 % 997 }
  let rows = (0..<count).map { (token: Int) -> [Float] in [Float(token * 37 % 11), Float(token * 53 % 17), 1] }
  return instance.scores(
    of: TokenView(
      layer: layer, layers: instance.model.layers, receivedAttention: attention, receivedFromOthers: attention,
      receivedAttentionSum: attention, attentionFromCLS: attention.reversed(), valueNorm: attention,
      hiddenNorm: attention, position: positions, tokenID: tokens, hidden: rows))
}

/// Asks a merging policy where `count` tokens with made-up keys go; nil for another policy.
func targets(of instance: PolicyInstance, count: Int, layer: Int) -> [Int32]? {
  if instance.remainder != .merged { return nil }
  let keys = (0..<count).map { (token: Int) -> [Float] in [Float(token * 29 % 13) + 1, Float(token * 31 % 7)] }
  return instance.targets(of: TokenView(layer: layer, layers: instance.model.layers, keys: keys))
}
